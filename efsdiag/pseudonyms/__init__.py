"""Other names, addresses and account ids in the place of the real ones, so that every join survives.

Pure functions of a key: the same word becomes the same pseudonym wherever it stands, and nobody without the key can
tell which word it was.
"""
