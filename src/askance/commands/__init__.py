"""What each command can be told and what it does: call one function and print, a module a topic.

Results go to stdout, the log and progress bars to stderr. Imports come late, inside each command, so that
``askance --help`` waits for none of them.
"""
