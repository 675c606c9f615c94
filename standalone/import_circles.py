"""`./dev lint circles`: modules that import each other, of the app, its tools, tests and benchmarks.

Imports for types alone count too. Modules on a circle can't be understood one at a time, and some of them can't be
loaded first.
"""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

from .site import APP

if TYPE_CHECKING:
    from grimp import ImportGraph

PACKAGES = (APP, "standalone", "tests", "benchmarks")


def main() -> int:
    """Print the modules that lie on a circle; 1 if there are any."""
    import grimp  # a bench, where the tests run too, has none

    found = modules_on_circles(grimp.build_graph(*PACKAGES, cache_dir=None))
    print("\n".join(f"{module}: on a circle of imports" for module in found) or "No circle of imports.")
    return int(bool(found))


def modules_on_circles(graph: ImportGraph) -> list[str]:
    """The modules that import themselves by way of others, by name."""
    return sorted(
        {
            module
            for module in graph.modules
            for imported in graph.find_modules_directly_imported_by(module)
            if graph.chain_exists(importer=imported, imported=module)
        }
    )


if __name__ == "__main__":
    sys.exit(main())
