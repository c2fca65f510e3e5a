"""Names that load their module on first use (PEP 562), so that importing the package stays fast."""

from __future__ import annotations

import importlib
from collections.abc import Callable, Mapping

from bioneuro.errors import choose


def lazy_names(package: str, names: Mapping[str, str]) -> tuple[Callable[[str], object], Callable[[], list[str]]]:
    """Return `(__getattr__, __dir__)` for `package`; `names` maps a public name to the module that holds it.

    A name whose module *is* named like it (`"data": "bioneuro.data"`) gives the module itself.
    """

    def __getattr__(name: str):
        if name not in names:
            if name.startswith("__"):  # Python's own probes (`__path__`, `__wrapped__`) expect a bare answer
                raise AttributeError(name)
            try:
                choose(f"name in {package}", name, names)
            except ValueError as error:
                raise AttributeError(str(error)) from None
        module = importlib.import_module(names[name])
        return module if module.__name__ == f"{package}.{name}" else getattr(module, name)

    return __getattr__, lambda: sorted(names)
