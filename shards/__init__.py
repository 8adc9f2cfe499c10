"""Data sets -> shards: WebDataset tars with a manifest, built once and read by every run.

read a folder of any layout  folder.py; layout.py (names), survey.py (what labels hold), video.py
read a data set's layout     camvid.py gta5.py synthia.py cityscapes.py streets/
into a list of items         dataset.py (what a reader gives), label_map.py (raw ids -> train ids)
encode them, write tars      encode.py, write.py, tar.py
check and describe them      verify.py, info.py, show.py
tars of other tools          adopt.py
from the command line        command.py, `advent-dist shards {build,classes,adopt,verify,info,show}`
"""
