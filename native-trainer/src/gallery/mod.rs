//! Galleries: what is published of a run, changed, signed, fetched, checked, sampled and served.

pub mod change;
pub mod export;
pub mod fetch;
pub mod film;
pub mod finetune;
pub mod folder;
pub mod import;
pub mod inspect;
pub mod origin;
pub mod pack;
pub mod publish;
pub mod sample;
pub mod serve;
pub mod sign;
pub mod train_tailor;
pub mod verify;
