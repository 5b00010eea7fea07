"""The rules, a file a concern. Every `Rule` that a module here defines is served; nothing else has to be edited."""
