"""Commands of docs/deploy.md that the tests of this folder run; the others change the system."""

from artifact_pipelines_tests.documents.reading import ROOT, commands_of

_COMMANDS = [*commands_of(ROOT / "docs" / "deploy.md")]
INSTALL = [command for command in _COMMANDS if command.startswith("install ")]
[CREATE_DATABASES] = [command for command in _COMMANDS if " psql " in command]
VERIFY_UNITS = "systemd-analyze verify"
RUN_ON_A_SITE = {*INSTALL, CREATE_DATABASES, VERIFY_UNITS}
