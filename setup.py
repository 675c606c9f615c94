from setuptools import setup
setup(name="dartwing_core", version="0.1.0", packages=["dartwing_core"], include_package_data=True)
