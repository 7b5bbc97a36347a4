"""The shared cache: finished steps in an OCI registry or a folder, for every machine of a project."""
