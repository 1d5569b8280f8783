"""How a process uses its machine: memory it keeps, threads that wait quietly, work spread over them, imports put off."""
