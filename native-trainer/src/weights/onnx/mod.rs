//! A plain network as an ONNX graph, of operators that every runtime has (opset 20).
//!
//! | name | type | shape |
//! |---|---|---|
//! | `x` | float | `[N, C, H, W]`, noisy images |
//! | `t` | float | `[N]`, times from 0 to 1000 |
//! | `y` | int64 | `[N]`, labels; the last one is the null label |
//! | `s` | int64 | `[N]`, strides, of a model for few steps alone: 0 for the velocity at `t`, 1 to 4 for a step of the whole way, a half, a quarter or an eighth of it |
//! | `out` | float | `[N, C, H, W]`, or `[N, 2·C, H, W]` with learned variance |

mod schema;

use prost::Message;
use tailor_core::ModelError;
use tailor_core::embedding::{NORM_EPSILON, rotary_angles, sincos_positions};
use tailor_core::model::values;
use tailor_packs::config::{STRIDES, TIME_FEATURES};
use tailor_packs::{Gelu, Matrix, ModelConfig, Norm, TensorSpec, Tensors};

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
        input: [
            Some(tensor("x", DataType::Float, &image(config.channels as usize))),
            Some(tensor("t", DataType::Float, &[None])),
            Some(tensor("y", DataType::Int64, &[None])),
            config.few_steps.then(|| tensor("s", DataType::Int64, &[None])),
        ]
        .into_iter()
        .flatten()
        .collect(),
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

    /// Values of a tensor of the network as a constant.
    fn given(&mut self, name: &str, shape: &[usize]) -> Result<String, ModelError> {
        let spec = TensorSpec { name: name.to_owned(), shape: shape.to_vec() };
        let values = values(self.tensors, &spec)?;
        Ok(self.floats(shape, values))
    }

    /// `x·W + bias`, `W` `[m1, m2]`.
    fn dense(&mut self, name: &str, m1: usize, m2: usize, x: &str) -> Result<String, ModelError> {
        let weight = self.given(&format!("{name}.weight"), &[m1, m2])?;
        let bias = self.given(&format!("{name}.bias"), &[m2])?;
        let product = self.node("MatMul", &[x, &weight], &[]);
        Ok(self.add(&product, &bias))
    }

    fn silu(&mut self, x: &str) -> String {
        let sigmoid = self.node("Sigmoid", &[x], &[]);
        self.mul(x, &sigmoid)
    }

    /// `x` divided by the root of the mean square over the last axis.
    fn rms_norm(&mut self, x: &str) -> String {
        let (last, epsilon) = (self.ints(&[-1]), self.floats(&[], &[NORM_EPSILON as f32]));
        let square = self.mul(x, x);
        let mean = self.node("ReduceMean", &[&square, &last], &[Attribute::Int("keepdims", 1)]);
        let mean = self.add(&mean, &epsilon);
        let root = self.node("Sqrt", &[&mean], &[]);
        self.node("Div", &[x, &root], &[])
    }

    /// `x·(1 + scale)`.
    fn scaled(&mut self, x: &str, scale: &str) -> String {
        let one = self.floats(&[], &[1.0]);
        let scale = self.add(scale, &one);
        self.mul(x, &scale)
    }

    /// LayerNorm or RMSNorm without parameters, then `x̂·(1 + scale) + shift`.
    fn modulated(&mut self, x: &str, shift: &str, scale: &str) -> String {
        let d = self.config.width as usize;
        let normal = match self.config.norm {
            Norm::Rms => self.rms_norm(x),
            Norm::Layer => {
                let (ones, zeros) = (self.floats(&[d], &vec![1.0; d]), self.floats(&[d], &vec![0.0; d]));
                let attributes =
                    [Attribute::Int("axis", -1), Attribute::Float("epsilon", NORM_EPSILON as f32)];
                self.node("LayerNormalization", &[x, &ones, &zeros], &attributes)
            }
        };
        let scaled = self.scaled(&normal, scale);
        self.add(&scaled, shift)
    }

    /// QK-norm with the scale of that name, and RoPE, of `[N, H, T, D/H]`, where the model has them.
    fn placed(&mut self, mut x: String, scale: &str) -> Result<String, ModelError> {
        let (tokens, head) = (self.config.tokens(), (self.config.width / self.config.heads) as usize);
        if self.config.qk_norm {
            let scale = self.given(scale, &[head])?;
            x = self.rms_norm(&x);
            x = self.scaled(&x, &scale);
        }
        if !self.config.rope {
            return Ok(x);
        }
        let [cosines, sines] = rotary_angles(self.config).map(|of| self.floats(&[tokens, head / 2], &of));
        let halves = self.split(&x, 2);
        let [a_cos, a_sin] = [&cosines, &sines].map(|of| self.mul(&halves[0], of));
        let [b_cos, b_sin] = [&cosines, &sines].map(|of| self.mul(&halves[1], of));
        let first = self.node("Sub", &[&a_cos, &b_sin], &[]);
        let second = self.add(&b_cos, &a_sin);
        Ok(self.node("Concat", &[&first, &second], &[Attribute::Int("axis", -1)]))
    }

    /// `softmax(q·kᵀ / √(D/H))·v` for each head of a block; `qkv` is `[N, T, 3·D]`.
    fn attention(&mut self, block: u32, qkv: &str) -> Result<String, ModelError> {
        let (t, d, h) =
            (self.config.tokens() as i64, i64::from(self.config.width), i64::from(self.config.heads));
        let parts: Vec<String> =
            self.split(qkv, 3).iter().map(|part| self.reshape(part, &[-1, t, h, d / h])).collect();
        let parts: Vec<String> = parts.iter().map(|part| self.transpose(part, &[0, 2, 1, 3])).collect();
        let q = self.placed(parts[0].clone(), &format!("blocks.{block}.q_norm"))?;
        let k = self.placed(parts[1].clone(), &format!("blocks.{block}.k_norm"))?;
        let (k, v) = (self.transpose(&k, &[0, 1, 3, 2]), &parts[2]);
        let scale = self.floats(&[], &[((d / h) as f32).sqrt().recip()]);
        let q = self.mul(&q, &scale);
        let scores = self.node("MatMul", &[&q, &k], &[]);
        let shares = self.node("Softmax", &[&scores], &[Attribute::Int("axis", -1)]);
        let attended = self.node("MatMul", &[&shares, v], &[]);
        let attended = self.transpose(&attended, &[0, 2, 1, 3]);
        Ok(self.reshape(&attended, &[-1, t, d]))
    }

    /// What stands between the two matrices of a feed-forward layer.
    fn activation(&mut self, x: &str) -> String {
        if self.config.swiglu {
            let parts = self.split(x, 2);
            let gate = self.silu(&parts[0]);
            return self.mul(&gate, &parts[1]);
        }
        let approximate = match self.config.gelu {
            Gelu::Exact => "none",
            Gelu::Tanh => "tanh",
        };
        self.node("Gelu", &[x], &[Attribute::Text("approximate", approximate)])
    }

    fn block(&mut self, block: u32, x: &str, condition: &str) -> Result<String, ModelError> {
        let d = self.config.width as usize;
        let name = |matrix: &str| format!("blocks.{block}.{matrix}");
        let modulation = self.dense(&name("adaln"), d, 6 * d, condition)?;
        let m = self.split(&modulation, 6);
        let y = self.modulated(x, &m[0], &m[1]);
        let qkv = self.dense(&name("qkv"), d, 3 * d, &y)?;
        let y = self.attention(block, &qkv)?;
        let y = self.dense(&name("o"), d, d, &y)?;
        let y = self.mul(&m[2], &y);
        let x = self.add(x, &y);
        let y = self.modulated(&x, &m[3], &m[4]);
        let ((m1, m2), (n1, n2)) = (self.config.widths(Matrix::In), self.config.widths(Matrix::Out));
        let y = self.dense(&name("in"), m1, m2, &y)?;
        let y = self.activation(&y);
        let y = self.dense(&name("out"), n1, n2, &y)?;
        let y = self.mul(&m[5], &y);
        Ok(self.add(&x, &y))
    }

    /// The condition `silu(time + label + stride)`, `[N, 1, D]`.
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
        let mut sum = self.add(&time, &label);
        if self.config.few_steps {
            let table = self.given("stride.table", &[STRIDES, d])?;
            let stride = self.node("Gather", &[&table, "s"], &[Attribute::Int("axis", 0)]);
            sum = self.add(&sum, &stride);
        }
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
        let out = self.reshape(&out, &[-1, channels, image, image]);
        if !config.clean_output {
            return Ok(out);
        }
        // `tailor_core::diffusion::path::velocity_factor`.
        let (most, least) = (self.floats(&[], &[1000.0]), self.floats(&[], &[50.0]));
        let t = self.node("Max", &["t", &least], &[]);
        let factor = self.node("Div", &[&most, &t], &[]);
        let factor = self.reshape(&factor, &[-1, 1, 1, 1]);
        let difference = self.node("Sub", &["x", &out], &[]);
        Ok(self.mul(&difference, &factor))
    }
}
