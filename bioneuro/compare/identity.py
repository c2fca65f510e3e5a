"""What makes a configured estimator what it is, as text: its class, the code of it, and every parameter's content."""

from __future__ import annotations

import hashlib
import inspect


def identity(estimator) -> str:
    """A text that changes when the class, its source or a parameter changes; the same in every process."""
    cls = type(estimator)
    try:
        source = inspect.getsource(inspect.getmodule(cls) or cls)  # its helpers stand beside it
    except (OSError, TypeError):  # typed at a prompt: there is no source to watch
        source = ""
    code = hashlib.blake2b(source.encode(), digest_size=8).hexdigest()
    params = estimator.get_params(deep=True) if hasattr(estimator, "get_params") else vars(estimator)
    content = sorted((name, _content(value)) for name, value in params.items())
    return f"{cls.__module__}.{cls.__qualname__} {code} {content}"


def _content(value) -> str:
    from joblib import hash as content_hash

    try:
        return content_hash(value)
    except Exception:  # what cannot be pickled is known by its text
        return repr(value)
