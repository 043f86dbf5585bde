# SPDX-License-Identifier: GPL-2.0-only
# For Spack 1.0 and newer, in a repository of a site's own, as packages/msr_safe/package.py,
# with the sources by `spack develop --path SOURCES msr-safe@main`. It builds the programs;
# the kernel module, the udev rules and the service are root's to install.

from spack_repo.builtin.build_systems.makefile import MakefilePackage

from spack.package import *


class MsrSafe(MakefilePackage):
    """Access to model-specific registers by an allowlist: programs, lists and library"""

    version("main")

    depends_on("c", type="build")
    depends_on("ncurses")

    requires("target=x86_64:")
    requires("platform=linux")

    build_targets = ["programs"]

    def edit(self, spec, prefix):
        env["prefix"] = prefix
