//! Sentences that depend on nothing that the view knows, or on little.

/// What the view is for.
pub const IDEA: &str = "Teach the model a class that it has never seen: a sign, a plant, a thing of yours. What all \
                        classes share stays as it is; only a small tailor is learned, here on your device.";
/// What happens to the pictures.
pub const PRIVATE: &str = "Nothing leaves this device.";
/// Why a lesson cannot begin.
pub const LOADING: &str = "The teacher is still loading.";
/// Why a lesson cannot begin.
pub const NAMELESS: &str = "Give the class a name first.";
/// Why a lesson cannot begin.
pub const NONE: &str = "Add pictures first: draw some, choose files, or use the camera.";
/// Why a lesson cannot begin.
pub const ONE: &str = "One picture is too few to learn from. Add at least one more; eight are a good start.";
/// Why a lesson cannot begin.
pub const EQUAL: &str = "All pictures are the same. Add one that differs.";
/// What a file is that no picture can be read from.
pub const NO_PICTURE: &str =
    "is no picture that this browser can read. Choose a PNG, JPEG, WebP, GIF or BMP.";
/// What is wrong with a camera that is missing.
pub const NO_CAMERA: &str = "No camera was found. Connect one, or choose files instead.";
/// What is wrong with a camera that the visitor or the browser refused.
pub const REFUSED: &str =
    "This page may not use the camera. Allow it in the browser's address bar, or choose files instead.";
/// What is wrong with a camera for another reason.
pub const CAMERA_BUSY: &str =
    "The camera gives no picture. Close other programs that use it, or choose files instead.";
/// What is wrong where no camera can be asked for.
pub const INSECURE: &str = "Browsers give a camera only to pages that come by https. Choose files instead.";
/// What to do with an empty canvas.
pub const EMPTY: &str = "The canvas is empty. Draw something first.";
/// What to know where nothing can be kept.
pub const NOT_KEPT: &str =
    "This browser has no room to keep the lesson. Leave this page open until the class is saved.";

/// Says that there are too many pictures.
pub fn too_many(most: usize) -> String {
    format!("{most} pictures are the most. Remove one to add another.")
}

/// Says that a picture file is too large.
pub fn too_large(name: &str, width: u32, height: u32) -> String {
    let million = f64::from(width) * f64::from(height) / 1e6;
    format!("{name} has {million:.0} million pixels, more than this page decodes. Make it smaller first.")
}

/// Says that a file is no picture.
pub fn no_picture(name: &str) -> String {
    format!("{name} {NO_PICTURE}")
}
