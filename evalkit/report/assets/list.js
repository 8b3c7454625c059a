// A list that draws only the rows in view. Every row has the same height, so its place is a product.

const ROW_HEIGHT = 58;
const SPARE = 6;

class RowList {
  /**
   * @param {HTMLElement} box the scrolling listbox
   * @param {(row: number) => Node[]} draw content of a row
   * @param {(row: number) => void} open called when a row is chosen
   */
  constructor(box, draw, open) {
    this.box = box;
    this.draw = draw;
    this.open = open;
    this.rows = [];
    this.at = -1;
    this.sheet = document.createElement("div");
    this.sheet.className = "sheet";
    this.sheet.setAttribute("role", "presentation");
    box.append(this.sheet);
    box.addEventListener("scroll", () => this.paint(), { passive: true });
    box.addEventListener("keydown", (event) => this.key(event));
    box.addEventListener("click", (event) => {
      const item = event.target.closest("[role=option]");
      if (item) this.choose(Number(item.dataset.place));
    });
    new ResizeObserver(() => this.paint()).observe(box);
  }

  /** Show other rows; the chosen one stays chosen if it is among them. */
  show(rows) {
    const chosen = this.rows[this.at];
    this.rows = rows;
    this.at = rows.indexOf(chosen);
    this.sheet.style.height = rows.length * ROW_HEIGHT + "px";
    this.first = this.last = -1;
    this.box.scrollTop = this.at >= 0 ? Math.max(0, (this.at - 2) * ROW_HEIGHT) : 0;
    this.paint();
  }

  paint() {
    const first = Math.max(0, Math.floor(this.box.scrollTop / ROW_HEIGHT) - SPARE);
    const count = Math.ceil(this.box.clientHeight / ROW_HEIGHT) + 2 * SPARE;
    const last = Math.min(this.rows.length, first + count);
    if (first === this.first && last === this.last) return;
    this.first = first;
    this.last = last;
    const items = [];
    for (let place = first; place < last; place += 1) items.push(this.item(place));
    this.sheet.replaceChildren(...items);
    this.mark();
  }

  item(place) {
    const node = el("div", "item", this.draw(this.rows[place]));
    node.setAttribute("role", "option");
    node.setAttribute("aria-setsize", this.rows.length);
    node.setAttribute("aria-posinset", place + 1);
    node.id = "item-" + place;
    node.dataset.place = place;
    node.style.top = place * ROW_HEIGHT + "px";
    return node;
  }

  mark() {
    for (const node of this.sheet.children) {
      node.setAttribute("aria-selected", Number(node.dataset.place) === this.at ? "true" : "false");
    }
    const current = document.getElementById("item-" + this.at);
    if (current) this.box.setAttribute("aria-activedescendant", current.id);
    else this.box.removeAttribute("aria-activedescendant");
  }

  /** Choose by place in the list; keeps it in view. */
  choose(place) {
    if (place < 0 || place >= this.rows.length) return;
    this.at = place;
    const top = place * ROW_HEIGHT;
    if (top < this.box.scrollTop) this.box.scrollTop = top;
    const overflow = top + ROW_HEIGHT - this.box.clientHeight;
    if (overflow > this.box.scrollTop) this.box.scrollTop = overflow;
    this.paint();
    this.mark();
    this.open(this.rows[place]);
  }

  key(event) {
    const page = Math.max(1, Math.floor(this.box.clientHeight / ROW_HEIGHT) - 1);
    const steps = { ArrowDown: 1, ArrowUp: -1, PageDown: page, PageUp: -page };
    let place = null;
    if (event.key in steps) place = this.at + steps[event.key];
    else if (event.key === "Home") place = 0;
    else if (event.key === "End") place = this.rows.length - 1;
    if (place === null) return;
    event.preventDefault();
    this.choose(Math.min(this.rows.length - 1, Math.max(0, place)));
  }
}
