"""One self-contained HTML file from recorded runs: `page.build_report` and `page.write_report`.

Import `evalkit.report.page` where it is used: it brings statistics and plotting along.
"""
