@echo off
rem The command `coding-agent` on Windows: what bin/coding-agent is elsewhere. In an environment
rem its Python lies beside it, else one folder up.
setlocal
set "python=%~dp0python.exe"
if not exist "%python%" set "python=%~dp0..\python.exe"
"%python%" -E -P -m coding_agent %*
