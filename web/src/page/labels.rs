//! The words on buttons and fields, and sentences that are always the same.

macro_rules! labels {
    ($($name:ident = $words:literal;)*) => {
        $(#[doc = concat!("“", $words, "”")] pub const $name: &str = $words;)*
    };
}

labels! {
    VIEWS = "Views";
    IDEA = " What a single class adds is its tailor: choose a class, and only that small pack is \
        downloaded. Every image is made here, on your own machine.";
    CLASSES = "Classes";
    SEVERAL = "Several";
    SEARCH = "Search all classes";
    NOT_ALL = "Only the classes shown so far can be searched.";
    TRY_AGAIN = "Try again";
    PROGRESS = "Progress";
    DETAILS = "Details";
    VOUCHED = "The publisher has told me that this is right";
    FORGETTING = "This device then forgets the key and the version that it has seen, and goes on as on a \
        first visit.";
    FORGET = "Forget what it has seen";
    SEED = "Seed";
    RANDOM = "Random seed";
    IMAGES = "Images";
    STEPS = "Steps";
    GUIDANCE = "Guidance";
    ALONE = "Learngene only";
    ALONE_WHY = "What all classes share, without what makes it one of them";
    GENERATE = "Generate";
    CANCEL = "Cancel";
    SAVE = "Save PNG";
    OPEN = "Open a saved PNG";
    HISTORY = "History";
    WORD = "Type a word";
    WORD_HINT = "Each letter is drawn by its own tailor, from one shared learngene.";
    DIALS = "Turn a letter’s tailor down, and its learngene shows through";
    TEACH_IT = "Teach it";
    FIRST = "Class";
    SECOND = "Mixed with";
    NOBODY = "none";
    SHOWN = "Show";
    DIAL = "How much of the tailor";
    TIME = "Step through time";
    PLAY = "Play";
    PAUSE = "Pause";
    BACK = "Back";
    FORWARD = "Forward";
    STEP = "Step";
    NO_FILM = "Make an image, and its steps can be played here.";
    INSIDE = "Inside the model";
    INSIDE_WHY = "Each cell is one matrix of one layer. The lower part is the learngene’s, the upper part \
        is what the tailor adds, as far as its dial is turned. Choose a cell for its numbers.";
    MEASURE = "Measure the parts";
    LAYER = "Layer";
    BYTES = "Bytes";
    SHARE = "Share";
    COPY = "Copy link";
    LINK = "Link to this image";
    QR = "QR code of the link";
    LOCAL = "The link holds all settings. Whoever opens it gets the same image.";
    TOO_LONG = "The link is too long for a QR code.";
    CLOSE = "Close";
    FILES = "Files";
    FILES_HERE = "Files on this device";
    KEPT = "Kept until you delete this site's data.";
    MAY_GO = "When this device runs out of room, the browser may delete these. ";
    KEEP = "Keep them";
    REMOVE = "Remove from this device";
    EMPTY = "Nothing is kept here yet.";
}
