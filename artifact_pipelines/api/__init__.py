"""Files, datasets and reports over HTTP, for people and systems that share no disk with the pipeline.

- An *upload* is the body of a request. It streams into the store, or into a dataset's landing zone.
- A *problem* is what every refused request gets: the name of the error, what is wrong, and what to do.

FastAPI comes with the extra `api`; nothing else imports this package.
"""
