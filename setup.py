"""For tools that do not read pyproject.toml."""

from setuptools import find_packages, setup

setup(name="dartwing_core", version="0.1.0", packages=find_packages(include=["dartwing_core*"]), zip_safe=False)
