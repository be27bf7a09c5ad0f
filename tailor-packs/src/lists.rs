//! Reads lists from untrusted files one item at a time: serde's own readers reserve memory for the
//! length that a file claims.

use serde::de::{Error, SeqAccess, Visitor};
use serde::{Deserialize, Deserializer};
use std::marker::PhantomData;

/// Passes each item of a list to `look` and keeps none; stops at the first that `look` refuses.
pub(crate) fn each<'de, T: Deserialize<'de>, D: Deserializer<'de>>(
    deserializer: D,
    look: impl FnMut(T) -> Result<(), String>,
) -> Result<(), D::Error> {
    struct Each<T, F>(F, PhantomData<T>);
    impl<'de, T: Deserialize<'de>, F: FnMut(T) -> Result<(), String>> Visitor<'de> for Each<T, F> {
        type Value = ();

        fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
            f.write_str("a list")
        }

        fn visit_seq<A: SeqAccess<'de>>(mut self, mut seq: A) -> Result<(), A::Error> {
            while let Some(item) = seq.next_element()? {
                (self.0)(item).map_err(A::Error::custom)?;
            }
            Ok(())
        }
    }
    deserializer.deserialize_seq(Each(look, PhantomData))
}

/// Reads a list of at most `most` items.
pub(crate) fn few<'de, T: Deserialize<'de>, D: Deserializer<'de>>(
    deserializer: D,
    most: usize,
) -> Result<Vec<T>, D::Error> {
    let mut list = Vec::new();
    each(deserializer, |item| {
        if list.len() == most {
            return Err(format!("a list has more than {most} items"));
        }
        list.push(item);
        Ok(())
    })?;
    Ok(list)
}
