//! `card.json`, in which a pack tells people about itself.

use super::archive::CARD;
use crate::error::{PackError, Result, check_limit};
use crate::limits;
use serde::de::{IgnoredAny, MapAccess, SeqAccess, Visitor};
use serde::{Deserialize, Deserializer, Serialize};
use std::collections::BTreeMap;

/// The content of `card.json`: what people and other programs want to know about a pack.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Card {
    /// Title, for example `Letters: A`.
    pub title: String,
    /// The data that the model was trained on.
    pub data: String,
    /// Licence of the weights, as an SPDX expression where there is one.
    pub licence: String,
    /// The people who made it.
    #[serde(default)]
    pub authors: Vec<String>,
    /// Program and version that trained and published it.
    #[serde(default)]
    pub tool: String,
    /// Measurements by name.
    #[serde(default)]
    pub metrics: BTreeMap<String, CardValue>,
    /// Training settings by name.
    #[serde(default)]
    pub training: BTreeMap<String, CardValue>,
    /// Any other keys of the JSON object.
    #[serde(flatten)]
    pub extra: BTreeMap<String, serde_json::Value>,
}

/// A number or a text.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(untagged)]
pub enum CardValue {
    /// A whole number, exact. A seed can have more digits than a [`CardValue::Number`] keeps.
    Integer(u64),
    /// A finite number.
    Number(f64),
    /// A text.
    Text(String),
}

impl std::fmt::Display for CardValue {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Integer(number) => number.fmt(f),
            Self::Number(number) => number.fmt(f),
            Self::Text(text) => text.fmt(f),
        }
    }
}

impl From<f64> for CardValue {
    fn from(number: f64) -> Self {
        Self::Number(number)
    }
}

impl From<u64> for CardValue {
    fn from(number: u64) -> Self {
        Self::Integer(number)
    }
}

impl From<&str> for CardValue {
    fn from(text: &str) -> Self {
        Self::Text(text.to_owned())
    }
}

impl Card {
    /// Returns the number of this name among [`Card::training`].
    pub fn number(&self, name: &str) -> Option<f64> {
        match self.training.get(name)? {
            CardValue::Integer(number) => Some(*number as f64),
            CardValue::Number(number) => Some(*number),
            CardValue::Text(_) => None,
        }
    }

    pub(super) fn to_json(&self) -> Result<Vec<u8>> {
        let json = serde_json::to_vec_pretty(self).map_err(invalid)?;
        // Reading it back refuses what JSON cannot carry: NaN, infinity, an extra key that is a field's name.
        Self::from_json(&json)?;
        Ok(json)
    }

    pub(super) fn from_json(json: &[u8]) -> Result<Self> {
        check_limit(CARD, json.len() as u64, limits::CARD)?;
        // A value in memory takes many times its bytes in JSON, so they are counted before any is made.
        let Values(values) = serde_json::from_slice(json).map_err(invalid)?;
        check_limit("the number of values in card.json", values, limits::CARD_VALUES)?;
        serde_json::from_slice(json).map_err(invalid)
    }
}

/// The number of keys and values in a JSON document, counted without keeping any.
struct Values(u64);

impl<'de> Deserialize<'de> for Values {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> std::result::Result<Self, D::Error> {
        struct Counter;
        impl<'de> Visitor<'de> for Counter {
            type Value = Values;

            fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str("JSON")
            }

            fn visit_unit<E>(self) -> std::result::Result<Values, E> {
                Ok(Values(1))
            }

            fn visit_bool<E>(self, _: bool) -> std::result::Result<Values, E> {
                Ok(Values(1))
            }

            fn visit_u64<E>(self, _: u64) -> std::result::Result<Values, E> {
                Ok(Values(1))
            }

            fn visit_i64<E>(self, _: i64) -> std::result::Result<Values, E> {
                Ok(Values(1))
            }

            fn visit_f64<E>(self, _: f64) -> std::result::Result<Values, E> {
                Ok(Values(1))
            }

            fn visit_str<E>(self, _: &str) -> std::result::Result<Values, E> {
                Ok(Values(1))
            }

            fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> std::result::Result<Values, A::Error> {
                let mut count = 1;
                while let Some(Values(more)) = seq.next_element()? {
                    count += more;
                }
                Ok(Values(count))
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> std::result::Result<Values, A::Error> {
                let mut count = 1;
                while let Some((IgnoredAny, Values(more))) = map.next_entry()? {
                    count += 1 + more;
                }
                Ok(Values(count))
            }
        }
        deserializer.deserialize_any(Counter)
    }
}

fn invalid(error: serde_json::Error) -> PackError {
    PackError::EntryInvalid { entry: CARD, reason: error.to_string() }
}
