"""Parts of the executor `ray`: the connection, the nodes, their checks, and the tasks."""
