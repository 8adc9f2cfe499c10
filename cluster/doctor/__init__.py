"""The preflight: what would stop or slow a run, found before it starts.

finding.py    one line of the answer: ok, warning or failure, with the fix
node.py       what a node tells of itself
fleet.py      an examiner on every node of a Ray cluster
versions.py, devices.py, space.py, clock.py, links.py, storage.py, networks.py, data.py, engines.py,
resources.py
              one concept each: what is measured, and how it is judged
examination.py  all of them, in order
cluster_file.py, shape.py  a file of `ray up` or KubeRay, before it is used
table.py      the answer on a terminal
"""
