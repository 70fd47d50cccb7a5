//! The subscriptions that the program gave to `poll_oneoff` last, and which of them may be ready.
//!
//! A server subscribes to all its connections whenever it waits, and nearly all of them are idle. So the list is kept: each
//! subscription is compared with the one that was at its place before, a few instructions, and one that is the same and whose socket
//! was found idle is passed over until the network says that something has happened to the socket. The program may write its list
//! as it likes between two calls: what was not compared is not believed.
//!
//! What holds of a subscription that is passed over: its type and descriptor are those kept; the descriptor is an open socket with
//! nothing to receive, unless it is among those woken; and its place is in `by_socket`. A socket is woken when it is closed, too, so
//! a number that stands for another socket now is noticed. Read first: [`InterestList::update`].

use super::poll::EVENT_FD_READ;
use super::types::Fd;
use crate::headroom;
use crate::net::SocketId;
use alloc::vec::Vec;

/// So many subscriptions are kept; any further ones are looked at each time.
const MAX_LEN: usize = 8192;
/// So many are compared before looking which of them differs.
const GROUP_LEN: usize = 16;
const WORD_BITS: usize = u64::BITS as usize;

/// The part of a subscription with its type and its descriptor, and other bytes that do not matter.
type Key = [u64; 2];

/// The bits of a [`Key`] that are type and descriptor.
const SIGNIFICANT: Key = [0xff, 0xffff_ffff];

fn key<const LEN_BYTES: usize>(subscription: &[u8; LEN_BYTES]) -> Key {
    let words = subscription.as_chunks().0;
    [u64::from_le_bytes(words[1]), u64::from_le_bytes(words[2])]
}

fn is_significant(difference: Key) -> bool {
    difference[0] & SIGNIFICANT[0] | difference[1] & SIGNIFICANT[1] != 0
}

/// The list.
#[derive(Debug, Default)]
pub(crate) struct InterestList {
    kept: Vec<Key>,
    /// A set of bits: the subscriptions that may be ready. Bits beyond those kept are set.
    candidates: Vec<u64>,
    /// By the number of a socket: the subscription that is looked at again when the socket is woken.
    by_socket: Vec<u32>,
}

impl InterestList {
    /// Compares the given subscriptions with those kept.
    pub fn update<const LEN_BYTES: usize>(&mut self, given: &[[u8; LEN_BYTES]]) {
        self.extend_to(given.len().min(MAX_LEN));
        let groups = given.chunks(GROUP_LEN).zip(self.kept.chunks_mut(GROUP_LEN));
        for (group, (given, kept)) in groups.enumerate() {
            let mut difference = Key::default();
            for (given, kept) in given.iter().zip(kept.iter()) {
                let given = key(given);
                difference[0] |= given[0] ^ kept[0];
                difference[1] |= given[1] ^ kept[1];
            }
            if !is_significant(difference) {
                continue;
            }
            for (place, (given, kept)) in given.iter().zip(kept).enumerate() {
                let given = key(given);
                if is_significant([given[0] ^ kept[0], given[1] ^ kept[1]]) {
                    *kept = given;
                    let index = group * GROUP_LEN + place;
                    self.candidates[index / WORD_BITS] |= 1 << (index % WORD_BITS);
                }
            }
        }
    }

    /// Makes room for so many subscriptions, of types that do not exist. Without memory there are fewer.
    fn extend_to(&mut self, len: usize) {
        let word_count = len.div_ceil(WORD_BITS);
        if len > self.kept.len()
            && headroom::allows(len * size_of::<Key>())
            && self.kept.try_reserve(len - self.kept.len()).is_ok()
            && self.candidates.try_reserve(word_count - self.candidates.len()).is_ok()
        {
            self.kept.resize(len, [u64::MAX; 2]);
            self.candidates.resize(word_count, u64::MAX);
        }
    }

    /// Returns the index of the first subscription from `index` on that may be ready.
    pub fn next(&self, index: u32) -> u32 {
        let mut place = index as usize / WORD_BITS;
        let mut mask = u64::MAX << (index as usize % WORD_BITS);
        while let Some(word) = self.candidates.get(place) {
            let word = word & mask;
            if word != 0 {
                return (place * WORD_BITS) as u32 + word.trailing_zeros();
            }
            mask = u64::MAX;
            place += 1;
        }
        index.max((place * WORD_BITS) as u32)
    }

    /// Passes over the subscription of that index, which waits to receive from an idle socket, until the socket is woken.
    pub fn rest(&mut self, index: u32, socket: SocketId) {
        let place = socket.0 as usize;
        if index as usize >= self.kept.len() {
            return;
        }
        if place >= self.by_socket.len() {
            if self.by_socket.try_reserve(place + 1 - self.by_socket.len()).is_err() {
                return;
            }
            self.by_socket.resize(place + 1, u32::MAX);
        }
        // Nobody wakes the subscription that had the place before.
        self.wake(socket);
        self.by_socket[place] = index;
        self.candidates[index as usize / WORD_BITS] &= !(1 << (index as usize % WORD_BITS));
    }

    /// Passes again over the subscription that waits to receive from a socket through the descriptor `fd`, now that the program has
    /// received all that there was, if it is the one that was passed over before.
    #[inline(always)]
    pub fn rest_again(&mut self, fd: Fd, socket: SocketId) {
        if let Some(&index) = self.by_socket.get(socket.0 as usize)
            && let Some(&[kind, descriptor]) = self.kept.get(index as usize)
            && kind as u8 == EVENT_FD_READ
            && descriptor as u32 == fd
            && let Some(word) = self.candidates.get_mut(index as usize / WORD_BITS)
        {
            *word &= !(1 << (index as usize % WORD_BITS));
        }
    }

    /// Takes note that something has happened to a socket.
    pub fn wake(&mut self, socket: SocketId) {
        if let Some(&index) = self.by_socket.get(socket.0 as usize)
            && let Some(word) = self.candidates.get_mut(index as usize / WORD_BITS)
        {
            *word |= 1 << (index as usize % WORD_BITS);
        }
    }

    /// Takes note that descriptors stand for other sockets although none was closed.
    pub fn forget(&mut self) {
        self.candidates.fill(u64::MAX);
    }
}
