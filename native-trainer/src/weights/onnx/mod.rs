//! A plain network as an ONNX graph, of operators that every runtime has (opset 20).
//!
//! | name | type | shape |
//! |---|---|---|
//! | `x` | float | `[N, C, H, W]`, noisy images |
//! | `t` | float | `[N]`, times from 0 to 1000 |
//! | `y` | int64 | `[N]`, labels; the last one is the null label |
//! | `out` | float | `[N, C, H, W]`, or `[N, 2·C, H, W]` with learned variance |

mod schema;

use prost::Message;
use tailor_core::ModelError;
use tailor_core::embedding::{NORM_EPSILON, sincos_positions};
use tailor_core::model::values;
use tailor_packs::config::TIME_FEATURES;
use tailor_packs::{Gelu, ModelConfig, TensorSpec, Tensors};

use schema::{
    AttributeProto, AttributeType, DataType, Dimension, GraphProto, ModelProto, NodeProto,
    OperatorSetIdProto, StringStringEntryProto, TensorProto, TensorShapeProto, TensorType, TypeProto,
    ValueInfoProto,
};

/// The first set of operators with Gelu.
const OPSET: i64 = 20;
/// The form of the file that goes with it.
const IR_VERSION: i64 = 9;

/// The largest message that readers of protocol buffers take, in bytes.
pub const LARGEST: u64 = 2 << 30;

/// Writes a plain network with `labels` `[K + 1, D]`, null label last, as an ONNX model. `about` is put
/// beside it.
///
/// # Errors
/// [`ModelError::Tensor`] for a tensor that the plain config asks for and that is not there.
pub fn model(
    config: &ModelConfig,
    tensors: &Tensors,
    labels: &[f32],
    about: &[(String, String)],
) -> Result<Vec<u8>, ModelError> {
    let mut net = Net { config, tensors, nodes: Vec::new(), constants: Vec::new() };
    let out = net.whole(labels)?;
    let outputs = config.patch_outputs() / (config.patch_size * config.patch_size) as usize;
    let side = config.image_size as usize;
    let image = |channels: usize| vec![None, Some(channels), Some(side), Some(side)];
    // The last node gives what is called `out`.
    if let Some(last) = net.nodes.last_mut() {
        last.output = vec!["out".to_owned()];
    }
    debug_assert!(net.nodes.last().is_some_and(|node| node.name == out));
    let graph = GraphProto {
        node: net.nodes,
        name: "dit".to_owned(),
        initializer: net.constants,
        input: vec![
            tensor("x", DataType::Float, &image(config.channels as usize)),
            tensor("t", DataType::Float, &[None]),
            tensor("y", DataType::Int64, &[None]),
        ],
        output: vec![tensor("out", DataType::Float, &image(outputs))],
    };
    let entry =
        |(key, value): &(String, String)| StringStringEntryProto { key: key.clone(), value: value.clone() };
    let model = ModelProto {
        ir_version: IR_VERSION,
        producer_name: "tailor".to_owned(),
        producer_version: env!("CARGO_PKG_VERSION").to_owned(),
        graph: Some(graph),
        opset_import: vec![OperatorSetIdProto { domain: String::new(), version: OPSET }],
        metadata_props: about.iter().map(entry).collect(),
    };
    Ok(model.encode_to_vec())
}

/// An input or output; a length of none is the batch's.
fn tensor(name: &str, kind: DataType, shape: &[Option<usize>]) -> ValueInfoProto {
    let dimension = |length: &Option<usize>| Dimension {
        dim_value: length.map(|length| length as i64),
        dim_param: length.is_none().then(|| "N".to_owned()),
    };
    let shape = TensorShapeProto { dim: shape.iter().map(dimension).collect() };
    let tensor_type = Some(TensorType { elem_type: kind.into(), shape: Some(shape) });
    ValueInfoProto { name: name.to_owned(), r#type: Some(TypeProto { tensor_type }) }
}

/// An attribute of a node.
enum Attribute<'a> {
    Int(&'a str, i64),
    Ints(&'a str, &'a [i64]),
    Float(&'a str, f32),
    Text(&'a str, &'a str),
}

impl Attribute<'_> {
    fn proto(&self) -> AttributeProto {
        let of = |name: &str, kind: AttributeType| AttributeProto {
            name: name.to_owned(),
            r#type: kind.into(),
            ..AttributeProto::default()
        };
        match *self {
            Self::Int(name, i) => AttributeProto { i: Some(i), ..of(name, AttributeType::Int) },
            Self::Ints(name, ints) => AttributeProto { ints: ints.to_vec(), ..of(name, AttributeType::Ints) },
            Self::Float(name, f) => AttributeProto { f: Some(f), ..of(name, AttributeType::Float) },
            Self::Text(name, text) => {
                AttributeProto { s: text.as_bytes().to_vec(), ..of(name, AttributeType::String) }
            }
        }
    }
}

/// A graph under construction: each method adds nodes and returns the name of what they compute.
struct Net<'a> {
    config: &'a ModelConfig,
    tensors: &'a Tensors,
    nodes: Vec<NodeProto>,
    constants: Vec<TensorProto>,
}

impl Net<'_> {
    fn node(&mut self, kind: &str, inputs: &[&str], attributes: &[Attribute<'_>]) -> String {
        self.several(kind, inputs, attributes, 1).remove(0)
    }

    fn several(
        &mut self,
        kind: &str,
        inputs: &[&str],
        attributes: &[Attribute<'_>],
        count: usize,
    ) -> Vec<String> {
        let name = format!("{}.{}", kind.to_lowercase(), self.nodes.len());
        let output: Vec<String> = match count {
            1 => vec![name.clone()],
            _ => (0..count).map(|part| format!("{name}.{part}")).collect(),
        };
        self.nodes.push(NodeProto {
            input: inputs.iter().map(|input| (*input).to_owned()).collect(),
            output: output.clone(),
            name,
            op_type: kind.to_owned(),
            attribute: attributes.iter().map(Attribute::proto).collect(),
        });
        output
    }

    fn floats(&mut self, shape: &[usize], values: &[f32]) -> String {
        let bytes = values.iter().flat_map(|value| value.to_le_bytes()).collect();
        self.constant(DataType::Float, shape, bytes)
    }

    fn ints(&mut self, values: &[i64]) -> String {
        let bytes = values.iter().flat_map(|value| value.to_le_bytes()).collect();
        self.constant(DataType::Int64, &[values.len()], bytes)
    }

    fn constant(&mut self, kind: DataType, shape: &[usize], raw_data: Vec<u8>) -> String {
        let dims = shape.iter().map(|axis| *axis as i64).collect();
        let known =
            |c: &&TensorProto| c.dims == dims && c.raw_data == raw_data && c.data_type == i32::from(kind);
        if let Some(same) = self.constants.iter().filter(|c| c.raw_data.len() < 1 << 16).find(known) {
            return same.name.clone();
        }
        let name = format!("constant.{}", self.constants.len());
        self.constants.push(TensorProto { dims, data_type: kind.into(), name: name.clone(), raw_data });
        name
    }

    fn add(&mut self, a: &str, b: &str) -> String {
        self.node("Add", &[a, b], &[])
    }

    fn mul(&mut self, a: &str, b: &str) -> String {
        self.node("Mul", &[a, b], &[])
    }

    fn reshape(&mut self, x: &str, shape: &[i64]) -> String {
        let shape = self.ints(shape);
        self.node("Reshape", &[x, &shape], &[])
    }

    fn transpose(&mut self, x: &str, axes: &[i64]) -> String {
        self.node("Transpose", &[x], &[Attribute::Ints("perm", axes)])
    }

    fn split(&mut self, x: &str, parts: usize) -> Vec<String> {
        let attributes = [Attribute::Int("axis", -1), Attribute::Int("num_outputs", parts as i64)];
        self.several("Split", &[x], &attributes, parts)
    }

    /// `x·W + bias`, `W` `[m1, m2]`.
    fn dense(&mut self, name: &str, m1: usize, m2: usize, x: &str) -> Result<String, ModelError> {
        let tensors = self.tensors;
        let spec = |part: &str, shape: &[usize]| TensorSpec {
            name: format!("{name}.{part}"),
            shape: shape.to_vec(),
        };
        let (weight, bias) = (spec("weight", &[m1, m2]), spec("bias", &[m2]));
        let weight = self.floats(&[m1, m2], values(tensors, &weight)?);
        let bias = self.floats(&[m2], values(tensors, &bias)?);
        let product = self.node("MatMul", &[x, &weight], &[]);
        Ok(self.add(&product, &bias))
    }

    fn silu(&mut self, x: &str) -> String {
        let sigmoid = self.node("Sigmoid", &[x], &[]);
        self.mul(x, &sigmoid)
    }

    /// LayerNorm without parameters, then `x̂·(1 + scale) + shift`.
    fn modulated(&mut self, x: &str, shift: &str, scale: &str) -> String {
        let d = self.config.width as usize;
        let (ones, zeros) = (self.floats(&[d], &vec![1.0; d]), self.floats(&[d], &vec![0.0; d]));
        let attributes = [Attribute::Int("axis", -1), Attribute::Float("epsilon", NORM_EPSILON as f32)];
        let normal = self.node("LayerNormalization", &[x, &ones, &zeros], &attributes);
        let one = self.floats(&[], &[1.0]);
        let scale = self.add(scale, &one);
        let scaled = self.mul(&normal, &scale);
        self.add(&scaled, shift)
    }

    /// `softmax(q·kᵀ / √(D/H))·v` for each head; `qkv` is `[N, T, 3·D]`.
    fn attention(&mut self, qkv: &str) -> String {
        let (t, d, h) =
            (self.config.tokens() as i64, i64::from(self.config.width), i64::from(self.config.heads));
        let parts: Vec<String> =
            self.split(qkv, 3).iter().map(|part| self.reshape(part, &[-1, t, h, d / h])).collect();
        let q = self.transpose(&parts[0], &[0, 2, 1, 3]);
        let k = self.transpose(&parts[1], &[0, 2, 3, 1]);
        let v = self.transpose(&parts[2], &[0, 2, 1, 3]);
        let scale = self.floats(&[], &[((d / h) as f32).sqrt().recip()]);
        let q = self.mul(&q, &scale);
        let scores = self.node("MatMul", &[&q, &k], &[]);
        let shares = self.node("Softmax", &[&scores], &[Attribute::Int("axis", -1)]);
        let attended = self.node("MatMul", &[&shares, &v], &[]);
        let attended = self.transpose(&attended, &[0, 2, 1, 3]);
        self.reshape(&attended, &[-1, t, d])
    }

    fn block(&mut self, block: u32, x: &str, condition: &str) -> Result<String, ModelError> {
        let d = self.config.width as usize;
        let name = |matrix: &str| format!("blocks.{block}.{matrix}");
        let modulation = self.dense(&name("adaln"), d, 6 * d, condition)?;
        let m = self.split(&modulation, 6);
        let y = self.modulated(x, &m[0], &m[1]);
        let qkv = self.dense(&name("qkv"), d, 3 * d, &y)?;
        let y = self.attention(&qkv);
        let y = self.dense(&name("o"), d, d, &y)?;
        let y = self.mul(&m[2], &y);
        let x = self.add(x, &y);
        let y = self.modulated(&x, &m[3], &m[4]);
        let y = self.dense(&name("in"), d, 4 * d, &y)?;
        let approximate = match self.config.gelu {
            Gelu::Exact => "none",
            Gelu::Tanh => "tanh",
        };
        let y = self.node("Gelu", &[&y], &[Attribute::Text("approximate", approximate)]);
        let y = self.dense(&name("out"), 4 * d, d, &y)?;
        let y = self.mul(&m[5], &y);
        Ok(self.add(&x, &y))
    }

    /// The condition `silu(time + label)`, `[N, 1, D]`.
    fn condition(&mut self, labels: &[f32]) -> Result<String, ModelError> {
        let (d, half) = (self.config.width as usize, TIME_FEATURES / 2);
        let frequency = |i: usize| (-(10_000f64.ln()) * i as f64 / half as f64).exp() as f32;
        let frequencies = self.floats(&[1, half], &(0..half).map(frequency).collect::<Vec<_>>());
        let t = self.reshape("t", &[-1, 1]);
        let angles = self.mul(&t, &frequencies);
        let (cosines, sines) = (self.node("Cos", &[&angles], &[]), self.node("Sin", &[&angles], &[]));
        let features = self.node("Concat", &[&cosines, &sines], &[Attribute::Int("axis", 1)]);
        let time = self.dense("time.0", TIME_FEATURES, d, &features)?;
        let time = self.silu(&time);
        let time = self.dense("time.1", d, d, &time)?;
        let table = self.floats(&[labels.len() / d, d], labels);
        let label = self.node("Gather", &[&table, "y"], &[Attribute::Int("axis", 0)]);
        let sum = self.add(&time, &label);
        let condition = self.silu(&sum);
        Ok(self.reshape(&condition, &[-1, 1, d as i64]))
    }

    fn whole(&mut self, labels: &[f32]) -> Result<String, ModelError> {
        let config = self.config;
        let (d, tokens) = (config.width as usize, config.tokens());
        let (p, c, image) =
            (i64::from(config.patch_size), i64::from(config.channels), i64::from(config.image_size));
        let side = image / p;
        let patches = self.reshape("x", &[-1, c, side, p, side, p]);
        let patches = self.transpose(&patches, &[0, 2, 4, 3, 5, 1]);
        let patches = self.reshape(&patches, &[-1, tokens as i64, p * p * c]);
        let embedded = self.dense("patch", config.patch_values(), d, &patches)?;
        let positions = self.floats(&[tokens, d], &sincos_positions(config));
        let mut x = self.add(&embedded, &positions);
        let condition = self.condition(labels)?;
        for block in 0..config.depth {
            x = self.block(block, &x, &condition)?;
        }
        let modulation = self.dense("final.adaln", d, 2 * d, &condition)?;
        let m = self.split(&modulation, 2);
        let y = self.modulated(&x, &m[0], &m[1]);
        let out = self.dense("final.linear", d, config.patch_outputs(), &y)?;
        let channels = config.patch_outputs() as i64 / (p * p);
        let out = self.reshape(&out, &[-1, side, side, p, p, channels]);
        let out = self.transpose(&out, &[0, 5, 1, 3, 2, 4]);
        Ok(self.reshape(&out, &[-1, channels, image, image]))
    }
}
