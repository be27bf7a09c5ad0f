//! What configs are refused, and how they are written.

use super::*;

#[test]
fn every_preset_is_valid() {
    for name in ModelConfig::PRESETS {
        ModelConfig::preset(name).unwrap().validate().unwrap();
    }
}

#[test]
fn what_a_model_needs_is_named_and_refused_by_an_engine_that_does_not_know_it() {
    let plain = ModelConfig::preset("tiny").unwrap();
    assert!(plain.needs().is_empty());
    plain.supported_by("an engine", &[]).unwrap();
    let mut all = ModelConfig { factored: "o".parse().unwrap(), objective: Objective::Ddpm, ..plain.clone() };
    for (count, feature) in Feature::ALL.into_iter().enumerate() {
        all.add(feature);
        assert_eq!(all.needs(), Feature::ALL[..=count]);
        let valid = if feature == Feature::TanhGelu { Err(ConfigError::TwoActivations) } else { Ok(()) };
        let ddpm = ModelConfig { clean_output: false, few_steps: false, ..all.clone() };
        assert_eq!(ddpm.validate(), valid);
        all.supported_by("an engine", &Feature::ALL).unwrap();
        let refused = all.supported_by("an engine", &Feature::ALL[..count]).unwrap_err();
        assert!(refused.to_string().contains(feature.name()), "{refused}");
    }
    assert_eq!(all.validate(), Err(ConfigError::CleanWithoutFlow));
    let few = ModelConfig { clean_output: false, ..all.clone() };
    assert_eq!(few.validate(), Err(ConfigError::FewStepsWithoutFlow));
    // By name in a manifest, so in this order.
    assert!(Feature::ALL.is_sorted_by_key(|feature| feature.name()));
    let factored = ModelConfig { separate_attention: true, ..plain.clone() };
    assert_eq!(factored.validate(), Err(ConfigError::SeparateAttention));
    let flow = ModelConfig { learned_variance: true, ..plain };
    assert_eq!(flow.validate(), Err(ConfigError::VarianceWithoutNoise));
    let turned = ModelConfig { rope: true, width: 36, heads: 6, ..ModelConfig::preset("tiny").unwrap() };
    assert!(turned.validate().unwrap_err().to_string().contains("for rope"));
    ModelConfig { rope: false, ..turned }.validate().unwrap();
}

#[test]
fn json_tells_only_what_is_not_as_it_always_was() {
    let plain = ModelConfig::preset("tiny").unwrap();
    let json = serde_json::to_string(&plain).unwrap();
    assert!(json.ends_with(r#""objective":"flow"}"#), "{json}");
    let tanh = ModelConfig { gelu: Gelu::Tanh, ..plain };
    let told = serde_json::to_string(&tanh).unwrap();
    assert!(told.ends_with(r#""objective":"flow","gelu":"tanh"}"#), "{told}");
    assert_eq!(serde_json::from_str::<ModelConfig>(&told).unwrap(), tanh);
    let again = told.replace("tanh", "exact");
    assert!(serde_json::from_str::<ModelConfig>(&again).unwrap_err().to_string().contains("leave it out"));
}

#[test]
fn a_set_with_fused_and_separate_attention_is_refused() {
    assert_eq!("qkv,q".parse::<FactoredSet>(), Err(ConfigError::MixedAttention));
}
