"""Which Python this is, and whether it was built to be fast.

A build with profile-guided optimisation spends a tenth to a third less on everything than a plain
one of the same version. `scripts/environment` runs this file by itself, with any Python that it
finds; so it imports nothing but the standard library.
"""

import platform
import sys
import sysconfig
from collections.abc import Callable, Mapping
from typing import Any, Final

PROFILE_FLAGS: Final = ("-fprofile-use", "-fprofile-instr-use", "-prof-use")
"""By which GCC, Clang and Intel's compiler are told of a profile."""

SLOW: Final = "a plain build; one with profile-guided optimisation, as Debian's own is, takes a tenth to a third less"


def is_profiled(
    build: Callable[[str], Any] = sysconfig.get_config_var,  # Any: what a Makefile says
    prefix: str = sys.base_prefix,
    system: Callable[[], Mapping[str, str]] = platform.freedesktop_os_release,
) -> bool:
    """Tell whether an interpreter was built with profile-guided optimisation.

    Args:
        build: What its Makefile says about a name.
        prefix: Where it was installed.
        system: What the system says of itself; may raise OSError.
    """
    if "--enable-optimizations" in str(build("CONFIG_ARGS") or ""):
        return True
    flags = str(build("PY_CFLAGS_NODIST") or "")
    if any(flag in flags for flag in PROFILE_FLAGS):
        return True
    # Debian builds with a profile by a rule of its own, and takes the flags out of what the build says of
    # itself, lest extension modules be built with them. Ubuntu and the others inherit both.
    if prefix != "/usr":
        return False
    try:
        names = system()
    except OSError:
        return False
    return "debian" in (names.get("ID", ""), *names.get("ID_LIKE", "").split())


def description() -> str:
    """Give the interpreter in words, for operators."""
    kind = "built with profile-guided optimisation" if is_profiled() else SLOW
    return f"{platform.python_implementation()} {platform.python_version()} of {sys.base_prefix}, {kind}"


if __name__ == "__main__":
    # What makes no environment is no candidate: Debian has these two in a package of their own.
    import ensurepip
    import venv

    del ensurepip, venv
    if sys.version_info < (3, 11):  # noqa: UP036 - whichever is found here is asked
        sys.exit(1)
    sys.stdout.write(f"{'profiled' if is_profiled() else 'plain'} {description()}\n")
