/** Bytes that one system call gets at most: an abort is seen between two of them, and Node takes less than 2 GiB. */
export const MAX_CALL = 64 << 20;
