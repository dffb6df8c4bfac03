//! Batches of patches, in order or shuffled, from sets that need not fit in memory; those of a file are
//! prefetched while the previous ones are used.

use std::collections::VecDeque;
use std::ops::Range;

use ndarray::Array4;
use rand::SeedableRng;
use rand::seq::SliceRandom;
use rand_chacha::ChaCha8Rng;
use rayon::prelude::*;

use super::Patches;
use super::ahead::Ahead;
use super::so2sat::by_all_threads;
use crate::Result;

/// Patches of a shuffle block, at least: 64 So2Sat patches are 5 MB in the file, which a disk reads
/// at full speed wherever they lie.
const BLOCK: usize = 64;

/// Bytes of pixels that a shuffle pools. More mixes better and takes more memory.
const POOL_BYTES: usize = 256 << 20;

/// Bytes of a file that the system's cache may be expected to hold.
const CACHED: usize = 2 << 30;

/// Shuffled batches that wait to be used: enough for steps of uneven length, little compared with a pool.
const BATCHES_AHEAD: usize = 2;

/// Positions in the view, and the pixels there.
pub(super) type Batch<P> = Result<(P, Array4<f32>)>;

/// Batches, wherever they come from.
pub(super) type Batches<P> = Box<dyn Iterator<Item = Batch<P>> + Send>;

/// Batches in the order of the view.
pub(super) fn in_order(patches: Patches, size: usize) -> Batches<Range<usize>> {
    let (n, size, in_memory) = (patches.len(), size.max(1), patches.rows_a_chunk().is_none());
    let batches = (0..n).step_by(size).map(move |start| {
        let range = start..n.min(start + size);
        Ok((range.clone(), patches.images(range)?))
    });
    if in_memory || n <= size { Box::new(batches) } else { Box::new(Ahead::of(1, batches)) }
}

/// One epoch in random order without its first batches, which are not read; see [`Patches::shuffled`].
pub(super) fn shuffled(patches: Patches, batch: usize, seed: u64, skip: usize) -> Batches<Vec<usize>> {
    let imagery = patches.imagery();
    let patch_bytes = imagery.patch_size * imagery.patch_size * imagery.bands.len() * size_of::<f32>();
    let pool = (POOL_BYTES / patch_bytes.max(1)).max(2 * BLOCK);
    let in_memory = patches.rows_a_chunk().is_none();
    // The system's cache has to hold two pools as they lie in the file.
    let single_rows =
        patches.single_row_bytes().is_some_and(|bytes| 2 * pool.min(patches.len()) * bytes <= CACHED);
    let shuffled =
        Shuffled::by_blocks(patches.clone(), batch, seed, skip, patches.blocks(BLOCK), pool, single_rows);
    match (in_memory, single_rows) {
        (true, _) => Box::new(shuffled),
        (false, false) => Box::new(Ahead::of(BATCHES_AHEAD, shuffled)),
        (false, true) => Box::new(Ahead::of(BATCHES_AHEAD, SideBySide { shuffled, ready: VecDeque::new() })),
    }
}

/// Batches of single rows, several of which are read at once: each thread then has the memory of one batch. It continues
/// after an error, as [`Ahead`] does not.
struct SideBySide {
    shuffled: Shuffled,
    ready: VecDeque<Batch<Vec<usize>>>,
}

impl Iterator for SideBySide {
    type Item = Batch<Vec<usize>>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.ready.is_empty() {
            let picked = (0..BATCHES_AHEAD).map_while(|_| self.shuffled.next_picked().transpose());
            let picked: Vec<Result<Picked>> = picked.collect();
            let patches = &self.shuffled.patches;
            let read = |picked: Result<Picked>| picked?.batch(patches);
            let read: Vec<Batch<_>> = by_all_threads(|| picked.into_par_iter().map(read).collect());
            self.ready = read.into();
        }
        self.ready.pop_front()
    }
}

/// One epoch in random order.
struct Shuffled {
    patches: Patches,
    batch: usize,
    pools: Box<dyn Iterator<Item = Result<Pool>> + Send>,
    pool: Pool,
    failed: bool,
}

/// Blocks, and the order in which their patches go out.
#[derive(Default)]
struct Pool {
    blocks: Vec<Range<usize>>,
    /// Pixels of each block; empty for patches in memory, or in the system's cache, which need no second copy.
    images: Vec<Array4<f32>>,
    /// Block and place in it, from the end.
    order: Vec<(usize, usize)>,
}

/// The pools of an epoch, one after the other.
struct Pools {
    patches: Patches,
    in_memory: bool,
    /// Whether patches are read one by one, when they are handed out.
    single_rows: bool,
    rng: ChaCha8Rng,
    /// Blocks yet to be read, in the order of reading.
    blocks: VecDeque<Range<usize>>,
    blocks_a_pool: usize,
    /// Patches to skip, from the start.
    skip: usize,
}

impl Pools {
    fn next_pool(&mut self) -> Result<Option<Pool>> {
        loop {
            let count = self.blocks_a_pool.min(self.blocks.len());
            let mut pool = Pool { blocks: self.blocks.drain(..count).collect(), ..Pool::default() };
            let blocks = pool.blocks.iter().enumerate();
            pool.order = blocks.flat_map(|(b, block)| (0..block.len()).map(move |n| (b, n))).collect();
            if pool.order.is_empty() {
                return Ok(None);
            }
            pool.order.shuffle(&mut self.rng);
            let skipped = self.skip.min(pool.order.len());
            self.skip -= skipped;
            pool.order.truncate(pool.order.len() - skipped);
            if pool.order.is_empty() {
                continue;
            }
            if self.single_rows {
                // The system's cache is the pool: patches come from there when they are handed out.
                pool.blocks.iter().for_each(|block| self.patches.announce(block.clone()));
            } else if !self.in_memory {
                let read = |block: &Range<usize>| self.patches.images(block.clone());
                pool.images = if self.patches.read_in_parallel() {
                    by_all_threads(|| pool.blocks.par_iter().map(read).collect::<Result<_>>())?
                } else {
                    pool.blocks.iter().map(read).collect::<Result<_>>()?
                };
            }
            return Ok(Some(pool));
        }
    }
}

impl Iterator for Pools {
    type Item = Result<Pool>;

    fn next(&mut self) -> Option<Self::Item> {
        self.next_pool().transpose()
    }
}

impl Shuffled {
    /// With these blocks, as many as make a pool of `pool` patches.
    fn by_blocks(
        patches: Patches,
        batch: usize,
        seed: u64,
        skip: usize,
        mut blocks: Vec<Range<usize>>,
        pool: usize,
        single_rows: bool,
    ) -> Self {
        let mut rng = ChaCha8Rng::seed_from_u64(seed);
        let n = patches.len();
        let batch = batch.clamp(1, n.max(1));
        let in_memory = patches.rows_a_chunk().is_none();
        let (mut blocks_a_pool, mut ahead) = (blocks.len().max(1), false);
        if !in_memory && n > pool {
            blocks.shuffle(&mut rng);
            let block = blocks.iter().map(Range::len).max().unwrap_or(1);
            blocks_a_pool = (pool / block).max(1);
            // Blocks of unfavourable chunks may be larger than a pool: then one block is in memory.
            ahead = block <= pool;
        }
        let blocks = blocks.into();
        let skip = skip.saturating_mul(batch);
        let pools =
            Pools { patches: patches.clone(), in_memory, single_rows, rng, blocks, blocks_a_pool, skip };
        // The next pool is prefetched while this one is used; the reader holds it.
        let pools: Box<dyn Iterator<Item = _> + Send> =
            if ahead { Box::new(Ahead::of(0, pools)) } else { Box::new(pools) };
        Self { patches, batch, pools, pool: Pool::default(), failed: false }
    }

    /// Takes the next pool; false if there is none left.
    fn refill(&mut self) -> Result<bool> {
        // The old pool goes before the new one comes.
        self.pool = Pool::default();
        let next = self.pools.next().transpose()?;
        let found = next.is_some();
        self.pool = next.unwrap_or_default();
        Ok(found)
    }

    /// The next batch as far as the pools hold it; none after the last.
    fn next_picked(&mut self) -> Result<Option<Picked>> {
        let mut picked = Picked { positions: Vec::with_capacity(self.batch), pixels: Vec::new() };
        while picked.positions.len() < self.batch && (!self.pool.order.is_empty() || self.refill()?) {
            let Pool { blocks, images, order } = &mut self.pool;
            let wanted = (self.batch - picked.positions.len()).min(order.len());
            for (b, n) in order.drain(order.len() - wanted..).rev() {
                picked.positions.push(blocks[b].start + n);
                if let Some(images) = images.get(b) {
                    let images = images.as_slice().expect("what was read is in a row");
                    let patch = images.len() / blocks[b].len();
                    picked.pixels.reserve_exact(if picked.pixels.is_empty() {
                        self.batch * patch
                    } else {
                        0
                    });
                    picked.pixels.extend_from_slice(&images[n * patch..][..patch]);
                }
            }
        }
        Ok((!picked.positions.is_empty()).then_some(picked))
    }
}

/// A batch of a shuffled epoch.
struct Picked {
    positions: Vec<usize>,
    /// None where the pool holds none.
    pixels: Vec<f32>,
}

impl Picked {
    fn batch(self, patches: &Patches) -> Batch<Vec<usize>> {
        let Self { positions, pixels } = self;
        // Not read yet; the pool itself may be another one by now.
        if pixels.is_empty() {
            let images = patches.images_at(&positions)?;
            return Ok((positions, images));
        }
        let (size, bands) = (patches.imagery().patch_size, patches.imagery().bands.len());
        let images = Array4::from_shape_vec((positions.len(), size, size, bands), pixels)
            .expect("every patch has the size and the bands of the imagery");
        Ok((positions, images))
    }
}

impl Iterator for Shuffled {
    type Item = Batch<Vec<usize>>;

    /// After an error there is nothing more.
    fn next(&mut self) -> Option<Self::Item> {
        if self.failed {
            return None;
        }
        let picked = self.next_picked().transpose()?;
        let batch = picked.and_then(|picked| picked.batch(&self.patches));
        self.failed = batch.is_err();
        Some(batch)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::data::so2sat::{Layout, Rows, So2Sat, Writer};
    use crate::{Bands, Classes, Imagery};

    /// 2,000 patches of one pixel, whose value is their row.
    fn numbered(folder: &std::path::Path) -> Patches {
        let imagery = Imagery { patch_size: 1, bands: Bands::from_count(1), ..Imagery::so2sat() };
        let path = folder.join("numbered.h5");
        let mut writer =
            Writer::create(&path, &Layout::new("sen2", imagery, Classes::lcz(), "a test")).unwrap();
        let pixels = Array4::from_shape_fn((2000, 1, 1, 1), |(n, ..)| n as f32);
        writer.append(Rows::new(pixels.view())).unwrap();
        writer.finish().unwrap();
        So2Sat::open(&path).unwrap().patches().unwrap()
    }

    /// Every second of them, in blocks of 64 and pools of four blocks.
    fn odd(patches: &Patches, seed: u64, skip: usize) -> Shuffled {
        let odd = patches.select(&(0..1000).map(|n| 2 * n + 1).collect::<Vec<_>>()).unwrap();
        let blocks = (0..1000).step_by(64).map(|start| start..1000.min(start + 64)).collect();
        Shuffled::by_blocks(odd, 48, seed, skip, blocks, 300, false)
    }

    #[test]
    fn a_set_larger_than_the_pool_is_shuffled_by_blocks_and_given_once() {
        let folder = tempfile::tempdir().unwrap();
        let patches = numbered(folder.path());
        let mut order = Vec::new();
        for batch in odd(&patches, 1, 0) {
            let (positions, images) = batch.unwrap();
            assert!(positions.len() == 48 || order.len() + positions.len() == 1000);
            assert!(positions.iter().zip(&images).all(|(&n, &v)| v as usize == 2 * n + 1));
            order.extend(positions);
        }
        // A pool is four blocks of 64, wherever they lie.
        let blocks: std::collections::BTreeSet<usize> = order[..256].iter().map(|n| n / 64).collect();
        assert!(blocks.len() <= 5 && blocks.iter().copied().ne(0..4), "{blocks:?}");
        order.sort_unstable();
        assert!(order.into_iter().eq(0..1000), "every patch once");
        let first = |seed| odd(&patches, seed, 0).next().unwrap().unwrap().0;
        assert_eq!(first(1), first(1));
        assert_ne!(first(1), first(2));
    }

    #[test]
    fn an_epoch_goes_on_after_any_batch_as_if_it_had_not_stopped() {
        let folder = tempfile::tempdir().unwrap();
        let patches = numbered(folder.path());
        let whole: Vec<_> = odd(&patches, 3, 0).map(Result::unwrap).collect();
        assert_eq!(whole.len(), 21);
        for skip in [1, 5, 6, 20, 21, 400] {
            let rest: Vec<_> = odd(&patches, 3, skip).map(Result::unwrap).collect();
            assert_eq!(rest, whole[skip.min(21)..], "after {skip} batches");
        }
        // What is all in one pool, in a file and in memory.
        let in_memory =
            Patches::in_memory(patches.imagery().clone(), Classes::lcz(), patches.images(0..2000).unwrap());
        for patches in [patches.clone(), in_memory.unwrap()] {
            let whole: Vec<_> = shuffled(patches.clone(), 96, 5, 0).map(Result::unwrap).collect();
            let rest: Vec<_> = shuffled(patches, 96, 5, 13).map(Result::unwrap).collect();
            assert_eq!(rest, whole[13..]);
        }
    }
}
