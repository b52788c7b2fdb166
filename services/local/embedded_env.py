"""The environment of an embedded server: nothing of the user's that would change what the server does.

Both servers read settings, credentials and proxies from variables; a user's `AWS_ACCESS_KEY_ID` would become an
administrator of the storage.
"""

from __future__ import annotations

import os
from pathlib import Path


def embedded_env(home: Path, **more: str) -> dict[str, str]:
    """PATH and locale of the user, `home` as home and temporary folder, and what is given."""
    kept = {name: os.environ[name] for name in ("PATH", "LANG", "LC_ALL", "TZ") if name in os.environ}
    return {**kept, "HOME": str(home), "TMPDIR": str(home), **more}
