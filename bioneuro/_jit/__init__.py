"""The machine room: what every compiled engine stands on. Nothing is imported here, so that `keys` needs no Numba.

kernel          @kernel, @scalar, specialise: compiled functions with a disk cache that notices every edit
keys            Key, seed_from: named streams of randomness below one seed
philox          the counter-based generator
distributions   single draws inside kernels
random          arrays of draws, permutations, hashes of rows
math            exp, log, sigmoid, tanh, softplus
rows            softmax and log-sum-exp of rows
gemm            matrix products whose rows do not depend on the batch
bits            LLVM instructions that Numba lacks
"""
