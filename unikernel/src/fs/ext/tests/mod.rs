//! The volume over a disk in memory: what programs do, what crashes leave, what hostile bytes do. `e2fsck` is the judge.

mod crash;
mod disk;
mod hostile;
mod operations;
