"""Files: save and load topologies, parameters, data, states and estimators as `.npz`, without pickle.

>>> import bioneuro, tempfile, pathlib
>>> path = pathlib.Path(tempfile.mkdtemp()) / "net"
>>> bioneuro.save(path, bioneuro.Topology.mlp(64, 100, 10)).name
'net.npz'
>>> bioneuro.load(path)
Topology(input 64 -> hidden 100 relu -> output 10 softmax; 7,510 parameters)
"""

from bioneuro.io.files import load, save

__all__ = ["load", "save"]
