"""Other libraries that stream training data from S3, to compare ours with.

Each has an environment of its own, since their pins contradict ours and each other's. `python_of`
makes it when it is missing: a virtual environment that sees the packages of this one, too, so that
PyTorch is not installed again; pip adds the library, and other versions of what it pins otherwise.

    python_of("litdata", Path("runs/peers"))     -> runs/peers/litdata/bin/python
    that python benchmarks/peers/litdata_reader.py {write,read} --help

The readers run on their own, too, in any environment with the library, PyTorch, Pillow and
simplejpeg. They take S3's address and keys from AWS_ENDPOINT_URL and the other AWS_* variables.
"""

from __future__ import annotations

import subprocess
import sysconfig
import venv
from pathlib import Path

REQUIREMENTS = {"litdata": "litdata==0.2.76", "streaming": "mosaicml-streaming==0.13.0"}
"""Peer -> what pip installs."""

READERS = {peer: Path(__file__).with_name(f"{peer}_reader.py") for peer in REQUIREMENTS}
"""Peer -> its script."""


def python_of(peer: str, folder: Path) -> Path:
    """The Python that runs a peer's reader.

    Args:
        peer: One of `REQUIREMENTS`.
        folder: Where the environments are; made if it is missing.

    Raises:
        RuntimeError: pip could not install the peer.
    """
    home = folder.absolute() / peer
    python, done = home / "bin" / "python", home / ".installed"
    if not done.exists() or done.read_text() != REQUIREMENTS[peer]:
        venv.create(home, clear=True, with_pip=True)
        (site_packages,) = home.glob("lib/python*/site-packages")
        # Found after the environment's own packages, which therefore win.
        (site_packages / "parent.pth").write_text(sysconfig.get_path("purelib") + "\n")
        install = [python, "-m", "pip", "install", "--quiet", REQUIREMENTS[peer]]
        # Not shown unless it fails: pip warns that the peer's packages do not fit ours.
        result = subprocess.run(install, capture_output=True, text=True, check=False)
        if result.returncode:
            raise RuntimeError(f"{REQUIREMENTS[peer]} can't be installed:\n{result.stderr}")
        done.write_text(REQUIREMENTS[peer])
    return python
