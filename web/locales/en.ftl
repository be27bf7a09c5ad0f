# The words of the page in English, in Fluent (https://projectfluent.org). Every other language has the same
# messages with the same arguments, or the page is not built; see CONTRIBUTING.md.

## Of every part

language-name = English
shared-decimal-mark = .
shared-thousands-mark = ,
shared-details = Details
shared-try-again = Try again
shared-no-worker = This browser does not let the page start a worker. Allow it, then try again.
shared-no-simd = This browser has no WebAssembly SIMD, which the engine is made of. Chrome and Edge have it from version 91 on, Firefox from 89, Safari from 16.4.

## What the page is doing

waiting-server = The server does not answer as it should. Trying again in { $seconds } s…
waiting-tab = Another tab of this site is downloading the same file…
status-starting = Loading the engine…
status-downloading = Downloading what these images need…
status-sampling = Making images out of noise…
status-hidden = Paused while this page is hidden. It goes on by itself when the page is shown again.
status-shown-again = This waited while the page was hidden, and goes on now.
status-again = The engine broke down. It was started again and makes the same images once more…
status-ready = Ready.
status-stopped = Stopped.
status-question = A question first.
status-failed = That did not work.
status-done = { $what }: { $seconds } s, { $ms } ms a step.
step-bytes = { $got } of { $all }
step-of = step { $step } of { $all }

## Which device computes

gpu-used = Computing on your GPU ({ $name }) through WebGPU.
gpu-no-cpu = Computing on the CPU: { $why }.
gpu-no = No GPU: { $why }.
gpu-unbuilt = Computing on the CPU. The engine for your GPU ({ $name }) is still being built; the next visit uses it.
gpu-sought-cpu = Computing on the CPU; looking for a GPU.
gpu-sought = Looking for a GPU.
gpu-coming = Computing on the CPU; the engine for your GPU ({ $name }) is loading.
gpu-unwanted = Computing on the CPU, as the address asks.
gpu-unknown = Computing on the CPU.
why-no-webgpu = this browser has no WebGPU
why-no-adapter = this browser has WebGPU but no graphics adapter for it
why-emulated = the only adapter ({ $name }) is emulated, which is slower
why-differs = its numbers differ from the CPU's by up to { $furthest }
why-beside = the CPU engine broke down beside it
why-trial = the GPU engine failed its trial. { $why }
gpu-cannot = The GPU cannot be used: { $why }.
engine-unbuilt = The WebGPU engine is still being built. Use the CPU for now; the next visit finds it.
engine-missing = The engine did not load: { $file } is not on the server. Whoever runs this site can build it with “just site”.
engine-not-loaded = The engine did not load. Check the connection, then try again.
engine-again = The engine broke down while it made these images, so it was started again and made them once more.
engine-handed = The GPU was lost while it made these images, so the CPU made them.
engine-twice = The engine broke down, was started again, and broke down once more. Close other tabs or ask for fewer images, then try again.
gpu-twice = The GPU was lost, was tried again, and was lost once more. Let the CPU make these images.

## Who vouches for the gallery

unsigned = unsigned
unsigned-own = This gallery comes from the same site as this page, so you trust it as you trust the page. It is not signed.
unsigned-nobody = Nobody has signed this gallery.
signed = signed ✓
signed-by = Signed by the key with the fingerprint { $fingerprint }, which this device trusts.
signed-not-kept = signed, not remembered
signed-by-not-kept = Signed by the key with the fingerprint { $fingerprint }. This device has no room to remember it, so it will ask again.
card-heading = Who made this model, and of what
card-authors = Made by
card-licence = Licence
card-data = Data
card-tool = Program
vouched = The publisher has told me that this is right
forgetting = This device then forgets the key and the version that it has seen, and goes on as on a first visit.
forget = Forget what it has seen

## The frame of the page

language-label = Language
language-failed = The words of that language did not arrive. Check the connection, then choose it again.
views = Views
gallery = Gallery
tab-make = Make
tab-word = Word
tab-apart = Take apart
tab-teach = Teach
tab-device = On this device
close = Close
link-wrong = This link says { $parts }, which this page does not understand. That part was left out.
quoted = “{ $text }”
unknown-class = This gallery has no class “{ $class }”. Choose one that it shows. If somebody taught it on their own device, ask them for its file, and drop it on this page.
no-settings = This file holds no settings. A picture that was saved here does, unless another program wrote it anew.
view-not-loaded = This view did not load. Check the connection, then load the page again.

## The picture

progress = Progress
picture-making = Images in the making
picture-none = No images yet
title-word = “{ $word }”, { $seeds }
caption = { $what }, { $seeds }
caption-part = { $class } at { $percent } %
caption-mixed = { $first } with { $second }
caption-parts = { $what }, turned down in parts
caption-alone = learngene alone
caption-seed = seed { $seed }
caption-seeds = seeds { $first } to { $last }
remedy-reload = Reload the page
remedy-cpu = Use the CPU
remedy-choose = All right
remedy-trust = Trust this key
first-image = Your first image: { $since } s after the click. Of these, download { $download } s, verify { $verify } s, prepare { $prepare } s, sample { $sample } s; the rest is the page and its engine.

## Make

idea-short = One model that comes apart.
idea-all = All classes share one learngene ({ $bytes }), which is downloaded once.
idea-count = All { $count } classes share one learngene ({ $bytes }), which is downloaded once.
idea = What a single class adds is its tailor: choose a class, and only that small pack is downloaded. Every image is made here, on your own machine.
classes = Classes
several = Several
search = Search all classes
not-all = Only the classes shown so far can be searched.
hint-coming = The list of all classes is on its way…
hint-found = The first { $count } are shown: type more.
hint-click = A click makes an image of that class.
hint-too-many = { $count } chosen; the first { $most } are made.
hint-chosen = { $count } chosen; then Generate.
here = , on this device
seed = Seed
random = Random seed
images = Images
steps = Steps
guidance = Guidance
alone = Learngene only
alone-why = What all classes share, without what makes it one of them
generate = Generate
cancel = Cancel
save = Save PNG
open = Open a saved PNG
history = History

## Share

share = Share
copy = Copy link
link = Link to this image
qr = QR code of the link
local = The link holds all settings. Whoever opens it gets the same image.
local-own = Whoever opens the link needs the file of the class that was taught here: send it along.
too-long = The link is too long for a QR code.
copied = The link is copied.
not-copied = This browser does not let the page copy. Select the link and copy it.

## Word

word = Type a word
word-hint = Each letter is drawn by its own tailor, from one shared learngene.
dials = Turn a letter’s tailor down, and its learngene shows through
dial = How much of the tailor
word-teach = Teach it
no-pack = There is no pack for { $sign }.
no-packs = There are no packs for { $signs } and { $last }.
letters-shared = { $count ->
    [one] What stays the same from letter to letter is the learngene ({ $bytes }). What differs is the tailor: this word takes one tailor ({ $own }). All letters begin with the same noise, so many of them look alike in weight, size and place.
   *[other] What stays the same from letter to letter is the learngene ({ $bytes }). What differs is the tailor: this word takes { $count } tailors ({ $own }). All letters begin with the same noise, so many of them look alike in weight, size and place.
}

## Take apart

first-class = Class
second-class = Mixed with
nobody = none
parts = Part by part
parts-why = A tailor adds something to each of these matrices in every layer, and a label that tells the network its class. Turn a layer, a kind of matrix or the label down, and see what is missing. Matrices qkv and o are the attention, in and out the feed-forward layer.
parts-label = Label
parts-whole = Turn all up again
shown = Show
show-dial = As the dials say
show-beside = Without and with the tailor, side by side
show-classes = { $count } classes from one seed
show-classes-bytes = { $count } classes from one seed ({ $bytes } to download)
showing-dial = At 0 % the learngene works alone, at 100 % with the full tailor. Everything else stays as it is.
showing-beside = The same seed twice: on the left the learngene alone, on the right with the tailor as dialled.
showing-classes = The same seed for each class, with the class’s own tailor at 100 %.
time = Step through time
play = Play
pause = Pause
back = Back
forward = Forward
step = Step
no-film = Make an image, and its steps can be played here.
frame = Step { $step } of { $all }: what the model sees, and the clean image that it makes of it.
inside = Inside the model
inside-why = Each cell is one matrix of one layer. The lower part is the learngene’s, the upper part is what the tailor adds, as far as its dial is turned. Choose a cell for its numbers.
measure = Measure the parts
layer = Layer { $layer }
formula = Layer { $layer }, { $matrix }: y = x·L + { $weight }·x·T + b. The learngene’s matrix L has the norm { $shared }, the tailor’s T has { $tailor }, of which { $own } is used: { $percent } % of both.
cell = Layer { $layer }, { $matrix }: learngene { $shared }, tailor { $tailor }
bytes = Bytes
saved = On this device: the learngene and { $count } of { $all } tailors, { $bytes }. The whole model takes { $whole }.
saved-more = On this device: the learngene and { $count } of { $all } tailors, { $bytes }. The whole model takes more than { $whole }.

## On this device

files = Files
files-here = Files on this device
downloaded = Downloaded so far: { $bytes }
downloaded-parts = (gallery { $gallery }, page and engine { $code })
file-learngene = Learngene
file-tailor = Tailor { $class }
place-stored = on this device
place-kept = in use, kept on this device
place-not-kept = in use, not kept: no room or no permission
used = used { $day }
total = { $count ->
    [one] One file, { $bytes }.
   *[other] { $count } files, { $bytes }.
}
room = This site takes { $used } of the { $granted } that the browser grants it.
memory = Memory in use: { $all }. The page's program takes { $page }; the engines take { $engines } (workers: { $workers }).
memory-teacher = The teacher takes { $teacher }.
memory-scripts = The scripts of the page take { $scripts }.
memory-gpu = What lies on the GPU is not counted.
kept = Kept until you delete this site's data.
may-go = When this device runs out of room, the browser may delete these.
keep = Keep them
remove = Remove from this device
remove-file = Remove { $file } from this device
empty = Nothing is kept here yet.

## Teach it: a program of its own

teach-heading = A class of your own
teach-idea = Teach the model a class that it has never seen: a sign, a plant, a thing of yours. What all classes share stays as it is; only a small tailor is learned, here on your device.
teach-private = Nothing leaves this device.
teach-go-on = Go on
teach-throw-away = Throw it away
teach-name-label = Name of the class
teach-loading = The teacher is still loading.
teach-nameless = Give the class a name first.
teach-no-pictures = Add pictures first: draw some, choose files, or use the camera.
teach-one-picture = One picture is too few to learn from. Add at least one more; eight are a good start.
teach-all-equal = All pictures are the same. Add one that differs.
teach-no-picture = { $file } is no picture that this browser can read. Choose a PNG, JPEG, WebP, GIF or BMP.
teach-no-camera = No camera was found. Connect one, or choose files instead.
teach-camera-refused = This page may not use the camera. Allow it in the browser's address bar, or choose files instead.
teach-camera-busy = The camera gives no picture. Close other programs that use it, or choose files instead.
teach-camera-insecure = Browsers give a camera only to pages that come by https. Choose files instead.
teach-empty-canvas = The canvas is empty. Draw something first.
teach-not-kept = This browser has no room to keep the lesson. Leave this page open until the class is saved.
teach-too-many = { $most } pictures are the most. Remove one to add another.
teach-too-large = { $file } has { $millions } million pixels, more than this page decodes. Make it smaller first.
teach-inverted = Every picture is inverted: dark becomes bright.
teach-as-they-are = Pictures are taught as they are.
teach-bright-on-dark = This gallery is bright on dark, so dark ink on bright paper is inverted. Look at the small pictures: the thing must be bright.
teach-dark-on-bright = This gallery is dark on bright, so bright ink on a dark ground is inverted. Look at the small pictures: the thing must be dark.
teach-no-pictures-yet = No pictures yet
teach-pictures = { $count ->
    [one] { $count } picture
   *[other] { $count } pictures
}
teach-few-pictures = { $count } pictures; { $enough } or more teach better
teach-ready = Ready to begin.
teach-starting = Getting ready…
teach-step-one = Step { $step } of { $all } on one core
teach-step-cores = Step { $step } of { $all } on { $cores } cores
teach-step-left = { $step }, { $left }
teach-almost = almost done
teach-seconds-left = { $seconds } seconds left
teach-minutes-left = { $minutes } minutes left
teach-paused = Paused after step { $step } of { $all }.
teach-hidden = Paused while this page is hidden. The lesson goes on by itself when the page is shown again.
teach-shown-again = The lesson waited while the page was hidden, and goes on now.
teach-ending = Drawing the last samples…
teach-ended = Taught for { $step } steps.
teach-saving = Writing the pack…
teach-made = The pack is made.
teach-saved = Saved. The class stands among the others under Make.
teach-kept-first = A lesson of “{ $name }” is kept. Go on with it, or throw it away, before another one begins.
teach-kept = A lesson of “{ $name }” is kept on this device: { $step } of { $all } steps are made.
teach-near = { $far }, nearly a copy
teach-close = { $far }, close
teach-far = { $far }, no copy
teach-pack-kept = The pack of “{ $name }” has { $size } kB. It is kept in this browser.
teach-pack-not-kept = The pack of “{ $name }” has { $size } kB. This browser could not keep it: save it as a file now.
teach-not-loaded = The teacher did not load. Check the connection, then try again.
teach-broke-down = The teacher broke down. What was taught up to a few seconds ago is kept.
teach-again-from = The teacher broke down and was started again. The lesson goes on after step { $step }.
teach-draw = Draw
teach-canvas = Canvas to draw on; files and camera do the same without a pointer
teach-thickness = Thickness
teach-undo = Undo
teach-clear = Clear
teach-add = Add drawing
teach-files = Choose files
teach-files-label = Pictures from this device, several at once; or drop them here
teach-camera = Camera
teach-camera-sees = What the camera sees
teach-take = Take a picture
teach-camera-off = Switch the camera off
teach-camera-on = Switch the camera on
teach-bright-dark = Bright and dark
teach-automatic = Automatic
teach-never-inverted = As they are
teach-always-inverted = Inverted
teach-mirror = Mirrored it is still the same thing (not for letters)
teach-picture = Picture { $number }
teach-remove-picture = Remove picture { $number }
teach-more = More
teach-steps = Steps
teach-from = Start from
teach-from-nothing = nothing
teach-begin = Teach it
teach-progress = Progress of the lesson
teach-pause = Pause
teach-stop = Good enough, stop
teach-loss = The error falls with the steps
teach-error = Error
teach-without = Without your class: the learngene alone
teach-with = With your class, after { $step } steps
teach-nearest = The picture of yours that is nearest to each: does it copy?
teach-four = Four images of four seeds
teach-nearest-pictures = The nearest pictures
teach-save = Save the class
teach-card-name = Name
teach-card-author = Made by (may be left empty)
teach-card-licence = Licence, such as CC0-1.0 or CC-BY-4.0 (may be left empty)
teach-make = Make images of it
teach-download = Save as a file
teach-another = Teach another class

## What stands there before the program has come: index.html and start.js

static-lede = One <b class="learngene">learngene</b> holds what all classes share, and a small <b class="tailor">tailor</b> adds what makes one class itself. Download the learngene once and only the tailors you want: every image is made here, in your browser.
static-galleries = Galleries
static-letters = Letters
static-letters-first = Letters, first version
static-fashion = Fashion
static-avatars = Avatars
static-icons = Icons
static-about = What is this?
static-what = A model that makes images out of noise, and that comes apart. It runs in your browser; nothing that you make is sent anywhere.
static-learngene = what all classes share: the large part, downloaded once.
static-tailor = what one class, such as the letter A, adds to the learngene.
static-pack = the small file that a tailor comes in.
static-gallery-term = Gallery
static-gallery = a folder on the web with one learngene and the packs that belong to it.
static-kind = the way such a model is trained: <a href="https://proceedings.mlr.press/v267/xie25d.html">Knowledge Integration and Diversion</a> (ICML 2025).
static-credits = The avatars are drawn after styles by Lisa Wischofsky, The Visual Team, Ashley Seo, vijay verma, Natalia Spivak, Davis Uche, Micah Lanier, Webpixels, Draftbit and Johan Melin (<a href="https://creativecommons.org/licenses/by/4.0/">CC BY 4.0</a>, colours, frame and choice of parts changed) and by Zoish, Pablo Stanley and DiceBear (CC0).
static-loading = Loading…
static-slow = Still loading: the page’s program has not arrived yet. If it does not, load the page again.
static-sandbox = This page is in a frame that is cut off from its own site (“sandbox” without “allow-same-origin”), so the browser keeps its files from it. Open it in a tab of its own: { $address }
static-not-arrived = The file { $file } did not arrive. Check the connection, then load the page again.
static-not-there = The file { $file } is not to be had from this server (status { $status }). Whoever runs the site should put all files of the studio’s folder there.
static-type = This server sends the file { $file } as “{ $type }”, and browsers run it only as “text/javascript”. Whoever runs the site can set that type for files that end in .js.
static-opened-as-file = This page was opened as a file, and browsers load programs from web servers only. Start a server in the page’s folder, with “tailor serve galleries/letters2 --site .” or “python3 -m http.server”, and open the address that it prints.
static-no-wasm = This browser has no WebAssembly, or it is switched off. The page makes its images with it.
static-policy = This site’s security policy forbids WebAssembly, with which the page makes its images. Whoever runs the site can allow it: “script-src” needs “'wasm-unsafe-eval'”.
static-no-simd = This browser has no WebAssembly SIMD, which the page is made of. Chrome and Edge have it from version 91 on, Firefox from 89, Safari from 16.4.
static-not-started = The page’s program did not start. Load the page again. ({ $error })

## A whole class together

teach-class-heading = A whole class together
teach-class-idea = Open the packs that all pupils saved, from this gallery: each class comes from another hand, and all of them share one learngene. Draw them all from one seed, and save them as a gallery for any web server.
teach-class-files = Packs (.tailor), several at once; or drop them here
teach-class-folder = Or choose a folder of packs
teach-class-table = The packs that were opened, and the classes of your own
teach-class-name = Name
teach-class-author = Made by
teach-class-size = Size
teach-class-note = Note
teach-class-remove = A class that does not belong here is removed under “On this device”.
teach-class-draw = Draw all of them
teach-class-title = Name of the gallery
teach-class-ours = Our class
teach-class-save = Save as a gallery
teach-class-saving = Making the gallery…
teach-class-fine = Fine
teach-class-renamed = Fine. { $file } calls it “{ $was }”, and there is one already.
teach-class-known = Fine. It was here already; { $file } is the same.
teach-class-here = On this device
teach-class-no-pack = Not used: this is no pack. Packs are files that end in .tailor.
teach-class-too-large = Not used: it is larger than a pack can be. Ask for the file once more.
teach-class-unreadable = Not used: the browser cannot read it. Copy it to this device, then open it again.
teach-class-damaged = Not used: the file is damaged. Ask for it once more.
teach-class-foreign = Not used: it was taught on another learngene. Open it in the gallery it was taught in.
teach-class-too-new = Not used: a newer version wrote it. Load this page again, then open it again.
teach-class-no-room = Not used: this browser has no room to keep it. Make room under “On this device”.
teach-class-reading = Reading { $number } of { $all }: { $file }
teach-class-none = No class of your own yet.
teach-class-own = { $count ->
    [one] 1 class of your own on this device.
   *[other] { $count } classes of your own on this device.
}
teach-class-opened = { $files ->
    [one] 1 file: { $joined } joined
   *[other] { $files } files: { $joined } joined
}
teach-class-opened-known = , { $count } here already
teach-class-opened-refused = , { $count } not used
teach-class-together = { $count ->
    [one] 1 class together.
   *[other] { $count } classes together.
}
teach-class-left = { $count ->
    [one] 1 file more was too many at once.
   *[other] { $count } files more were too many at once.
}
teach-class-most = The first { $most } of { $all } are drawn at once.
teach-class-saved = { $count ->
    [one] { $file } has 1 class, { $bytes }. Unzip it into a folder of a web server, then open it with ?gallery= and the folder's address. Nobody has signed it.
   *[other] { $file } has { $count } classes, { $bytes }. Unzip it into a folder of a web server, then open it with ?gallery= and the folder's address. Nobody has signed it.
}
