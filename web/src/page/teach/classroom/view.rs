//! The part of the view in which a whole class comes together.

use super::{Message, words};
use crate::page::language::TeachWords;
use crate::page::teach::desk::Message as Desk;
use crate::page::teach::shell::Shell;
use leptos::html::Input;
use leptos::prelude::*;
use web_sys::{DragEvent, File, FileList, HtmlInputElement};

/// Shows the fields for packs, the table of what was opened, and what can be done with all of it.
#[component]
pub(in crate::page::teach) fn Together(shell: Shell) -> impl IntoView {
    let status = shell.part(|desk| words::status(&desk.words, &desk.classroom));
    let lines = shell.part(|desk| words::lines(&desk.words, &desk.classroom));
    let title = shell.part(|desk| desk.classroom.title.clone());
    let reading = shell.part(|desk| desk.classroom.reading.is_some());
    let saving = shell.part(|desk| desk.classroom.saving);
    let saved = shell.part(|desk| words::saved(&desk.words, &desk.classroom));
    let most = shell.part(|desk| words::most(&desk.words, &desk.classroom));
    let there = shell.part(|desk| !desk.classroom.members.is_empty());
    let tell = move |message| shell.tell(Desk::Classroom(message));
    let save = move |event: leptos::ev::SubmitEvent| {
        event.prevent_default();
        tell(Message::Save(shell.now(|desk| desk.words.teach_class_ours())));
    };
    let action = shell.part(|desk| match desk.classroom.saving {
        true => desk.words.teach_class_saving(),
        false => desk.words.teach_class_save(),
    });
    view! {
        <section class="together" aria-labelledby="class-heading" data-reading=move || reading.get().to_string()>
            <h3 id="class-heading">{shell.say(TeachWords::teach_class_heading)}</h3>
            <p class="idea">{shell.say(TeachWords::teach_class_idea)}</p>
            <Fields shell/>
            <p id="class-status" role="status">{move || status.get()}</p>
            {move || Some(lines.get()).filter(|lines| !lines.is_empty()).map(move |lines| table(shell, lines))}
            {move || there.get().then(|| view! {
                <p class="hint">{shell.say(TeachWords::teach_class_remove)} " " {move || most.get()}</p>
                <form class="actions" on:submit=save>
                    <button type="button" id="class-draw" disabled=move || reading.get()
                        on:click=move |_| tell(Message::Draw)>{shell.say(TeachWords::teach_class_draw)}</button>
                    <label for="class-title">{shell.say(TeachWords::teach_class_title)}</label>
                    <input id="class-title" type="text" maxlength="60" autocomplete="off"
                        placeholder=shell.say(TeachWords::teach_class_ours) prop:value=move || title.get()
                        on:input=move |e| tell(Message::Title(event_target_value(&e)))/>
                    <button type="submit" id="class-save" disabled=move || reading.get() || saving.get()>
                        {move || action.get()}
                    </button>
                </form>
            })}
            <p id="class-saved" role="status">{move || saved.get()}</p>
        </section>
    }
}

/// Shows the fields for files and for a folder, onto which both can be dropped.
#[component]
fn Fields(shell: Shell) -> impl IntoView {
    let folder: NodeRef<Input> = NodeRef::new();
    Effect::new(move || {
        // No standard names it, and every browser on a computer knows it.
        if let Some(input) = folder.get() {
            let _ = input.set_attribute("webkitdirectory", "");
        }
    });
    let chosen = move |event: leptos::ev::Event| {
        let input: HtmlInputElement = event_target(&event);
        shell.choose(list(input.files()));
        // The same files can be chosen again.
        input.set_value("");
    };
    let dropped = move |event: DragEvent| {
        event.prevent_default();
        // The page would take the file for one of its own.
        event.stop_propagation();
        shell.choose(list(event.data_transfer().and_then(|data| data.files())));
    };
    view! {
        <div class="source" on:dragover=move |event: DragEvent| event.prevent_default() on:drop=dropped>
            <label for="class-files">{shell.say(TeachWords::teach_class_files)}</label>
            <input id="class-files" type="file" accept=".tailor" multiple on:change=chosen/>
            <label for="class-folder">{shell.say(TeachWords::teach_class_folder)}</label>
            <input id="class-folder" type="file" node_ref=folder multiple on:change=chosen/>
        </div>
    }
}

fn list(files: Option<FileList>) -> Vec<File> {
    let Some(files) = files else { return Vec::new() };
    (0..files.length()).filter_map(|i| files.get(i)).collect()
}

fn table(shell: Shell, lines: Vec<words::Line>) -> impl IntoView {
    let line = move |line: words::Line| {
        let words::Line { name, author, size, note, detail, fine } = line;
        view! {
            <tr class:refused=!fine>
                <th scope="row">{name}</th>
                <td>{author}</td>
                <td class="number">{size}</td>
                <td>
                    {note}
                    {(!detail.is_empty()).then(|| view! {
                        <details><summary>{shell.say(|words| words.shared_details())}</summary>{detail}</details>
                    })}
                </td>
            </tr>
        }
    };
    view! {
        <table id="class-table">
            <caption class="unseen">{shell.say(TeachWords::teach_class_table)}</caption>
            <thead>
                <tr>
                    <th scope="col">{shell.say(TeachWords::teach_class_name)}</th>
                    <th scope="col">{shell.say(TeachWords::teach_class_author)}</th>
                    <th scope="col" class="number">{shell.say(TeachWords::teach_class_size)}</th>
                    <th scope="col">{shell.say(TeachWords::teach_class_note)}</th>
                </tr>
            </thead>
            <tbody>{lines.into_iter().map(line).collect_view()}</tbody>
        </table>
    }
}
