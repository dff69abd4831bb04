"""How fast, how large and how right: Susurrus measured stage by stage, beside other programs in the same run.

Every system is a process of its own with its model loaded (`workers`); they run in turn on one file after another
(`measure`). `peers` and `ours` are what the processes run. `figures` makes the report, `table` and `picture` show it.
"""
