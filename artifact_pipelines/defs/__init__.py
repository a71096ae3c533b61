"""The bundled datasets: a folder with a `defs.yaml` for each."""
