"""Evidence: everything that the log has of one plan in one file, which another machine checks with nothing but Motet and a public key.

`gathering` reads it from the log, `bundle` is the file, `report` says for people what it holds, `checking` finds whatever was changed in it.
"""
