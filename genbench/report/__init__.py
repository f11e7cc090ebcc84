"""One self-contained HTML page, with its tables and figures beside it, from the files of a study."""

__all__ = ["build"]


def __getattr__(name: str):  # pandas and matplotlib are imported only by those who build a report
    if name == "build":
        from genbench.report.page import build

        return build
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
