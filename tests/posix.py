"""What only POSIX has, for tests that cannot run without it."""

from __future__ import annotations

import sys

import pytest

needs_signals = pytest.mark.skipif(sys.platform == "win32", reason="Windows has no signals to send")
needs_links = pytest.mark.skipif(sys.platform == "win32", reason="Windows lets not everybody make links")
needs_modes = pytest.mark.skipif(sys.platform == "win32", reason="Windows has no modes of files")
