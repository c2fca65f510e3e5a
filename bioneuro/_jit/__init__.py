"""The machine room: what every compiled engine stands on. Nothing is imported here, so that `keys` needs no Numba.

kernel          @kernel, @scalar, specialise: compiled functions with a disk cache that notices every edit
forms           the code of a kernel for calls from Python, from kernels and by address, each with the wrapper it needs
keys            Key, seed_from: named streams of randomness below one seed
philox          the counter-based generator
distributions   single draws inside kernels
random          arrays of draws, permutations, hashes of rows
math            exp, log, sigmoid, tanh, softplus
rows            softmax and log-sum-exp of rows
matrix          matrices within flat arrays, and views of them
simd            blocks of vector code, each beside the loop that it replaces
tiles           blocks of vector code that matrix products are made of
gemm            matrix products whose rows do not depend on the batch
sparse          products of binary, sparse and -1/+1 rows with a matrix
team            threads that run one kernel and meet at barriers
cores           how many of them to use
emit            the LLVM phrases that vector code is made of, the width of a register
dispatch        kernels called by address
parts           the compiler for what is only ever linked into kernels
borrow          arrays without an owner, and tables of them that are handed on by address
bits, processor LLVM instructions that Numba lacks: whole numbers; threads and floating-point modes
"""
