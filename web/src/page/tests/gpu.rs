//! The GPU: sought, tried, used, lost, or not built yet.

use super::*;
use crate::page::program::Absence;
use crate::page::state::{Gpu, NoGpu};
use crate::page::words;

/// Why the GPU is not used.
fn why(page: &Page) -> String {
    let Gpu::No(why) = &page.state.gpu else { panic!("{:?}", page.state.gpu) };
    words::no_gpu(&page.state.words, why)
}

/// The GPU's engine opens the gallery, and both engines are given the trial's order.
fn on_trial() -> (Page, u32) {
    let mut page = Page::with_gpu();
    page.ready(Backend::Gpu);
    page.hear(Backend::Gpu, Event::Index(letters()));
    let orders = page.orders();
    assert_eq!(orders.iter().map(|(to, _)| *to).collect::<Vec<_>>(), [Backend::Cpu, Backend::Gpu]);
    assert_eq!(orders[0].1, orders[1].1, "the same order");
    let id = orders[0].1.id;
    (page, id)
}

fn trial_done(id: u32) -> Event {
    Event::Done { id, ms: 3.0, ms_per_step: 1.5, before: Default::default() }
}

/// A page on the GPU.
fn on_gpu() -> Page {
    let (mut page, id) = on_trial();
    page.hear_images(Backend::Cpu, trial_done(id), &[0.1; 4]);
    page.hear_images(Backend::Gpu, trial_done(id), &[0.11; 4]);
    assert_eq!(page.state.active, Backend::Gpu);
    page
}

#[test]
fn a_gpu_arrives_behind_the_first_image_and_takes_the_next_once_it_agrees() {
    let mut page = Page::done(Wish::Any);
    assert_eq!((page.acts(), &page.state.gpu), (vec![Effect::FindAdapter], &Gpu::Sought));
    page.tell(Message::Adapter(Ok(Adapter { name: "a card".into(), emulated: false })));
    assert_eq!(page.effects, [Effect::Spawn(Program::Gpu)]);
    let (mut page, id) = on_trial();
    let shown = page.state.shown.clone();
    page.hear_images(Backend::Gpu, trial_done(id), &[0.1; 4]);
    assert_eq!((page.state.active, &page.state.gpu), (Backend::Cpu, &Gpu::Coming("a card".into())));
    page.hear_images(Backend::Cpu, trial_done(id), &[0.1; 4]);
    assert_eq!((page.state.active, &page.state.gpu), (Backend::Gpu, &Gpu::Used("a card".into())));
    assert_eq!(page.state.shown, shown, "the trial's images are not shown");
    assert_eq!(page.state.word(), "done");
    page.choose(B);
    assert_eq!(page.orders()[0].0, Backend::Gpu);
}

#[test]
fn an_order_under_way_ends_where_it_is_before_the_gpu_takes_over() {
    let (mut page, id) = on_trial();
    page.choose(B);
    page.hear_images(Backend::Cpu, trial_done(id), &[0.1; 4]);
    page.hear_images(Backend::Gpu, trial_done(id), &[0.1; 4]);
    assert_eq!((page.state.active, &page.state.gpu), (Backend::Cpu, &Gpu::Ready("a card".into())));
    page.hear_images(Backend::Cpu, Event::Preview { id: page.current(), step: 1, of: 12 }, &[0.2; 4]);
    assert_eq!(page.state.phase, Phase::Sampling(1, 12));
    page.finish(Backend::Cpu);
    assert_eq!((page.state.active, page.state.word()), (Backend::Gpu, "done"));
}

#[test]
fn a_gpu_that_makes_other_images_is_not_used() {
    let (mut page, id) = on_trial();
    page.hear_images(Backend::Cpu, trial_done(id), &[0.1; 4]);
    page.hear_images(Backend::Gpu, trial_done(id), &[0.1, 0.1, 0.1, 0.35]);
    assert_eq!(page.effects, [Effect::End(Backend::Gpu)]);
    assert_eq!(page.state.active, Backend::Cpu);
    assert_eq!(why(&page), "its numbers differ from the CPU's by up to 0.25");
    let (mut page, id) = on_trial();
    page.hear_images(Backend::Cpu, trial_done(id), &[0.1; 4]);
    page.hear_images(Backend::Gpu, trial_done(id), &[]);
    assert!(matches!(page.state.gpu, Gpu::No(_)), "nor one that makes none");
}

#[test]
fn a_gpu_that_fails_its_trial_is_none_of_the_visitors_business() {
    let (mut page, id) = on_trial();
    let failed = Event::Failed { id: Some(id), failure: failure(Code::ReadBack, Remedy::Retry) };
    page.hear(Backend::Gpu, failed);
    assert_eq!((page.state.word(), page.state.active), ("done", Backend::Cpu));
    assert!(why(&page).contains("failed its trial"));
}

#[test]
fn an_emulated_gpu_or_none_leaves_the_cpu_at_work() {
    for (answer, word) in [
        (Ok(Adapter { name: "SwiftShader".into(), emulated: true }), "emulated"),
        (Err(NoGpu::NoAdapter), "no graphics adapter"),
    ] {
        let mut page = Page::done(Wish::Any);
        assert_eq!(page.tell(Message::Adapter(answer)), []);
        assert!(why(&page).contains(word));
        assert_eq!(page.state.word(), "done");
    }
}

#[test]
fn a_gpu_engine_that_is_still_being_built_is_said_calmly_and_the_cpu_goes_on() {
    let mut page = Page::with_gpu();
    page.tell(Message::NotLoaded(Program::Gpu, String::new()));
    assert_eq!(page.effects, [Effect::Examine(Program::Gpu, String::new())]);
    page.tell(Message::Examined(Program::Gpu, Absence::Missing, String::new()));
    assert_eq!(page.effects, [Effect::End(Backend::Gpu)]);
    assert_eq!((page.state.word(), page.state.active), ("done", Backend::Cpu), "nothing failed");
    let words = crate::page::words::backend(&page.state);
    assert!(words.contains("still being built; the next visit uses it"), "{words}");
    page.choose(B);
    assert_eq!(page.orders()[0].0, Backend::Cpu);
    page.finish(Backend::Cpu);
    assert_eq!(page.acts(), [], "it is not sought again on this visit");
}

#[test]
fn a_gpu_engine_that_does_not_load_for_another_reason_is_not_called_unbuilt() {
    let mut page = Page::with_gpu();
    page.tell(Message::NotLoaded(Program::Gpu, "SyntaxError".into()));
    page.tell(Message::Examined(Program::Gpu, Absence::Unknown, "SyntaxError".into()));
    let why = why(&page);
    assert!(why.contains("did not load") && why.contains("SyntaxError"), "{why}");
}

#[test]
fn without_an_adapter_nobody_asks_for_the_gpu_engine() {
    let mut page = Page::done(Wish::Any);
    page.tell(Message::Adapter(Err(NoGpu::NoWebGpu)));
    assert_eq!(spawned(&page.effects), []);
    let words = crate::page::words::backend(&page.state);
    assert_eq!(words, "Computing on the CPU: this browser has no WebGPU.");
}

#[test]
fn a_gpu_that_is_lost_hands_its_order_to_the_cpu() {
    let mut page = on_gpu();
    page.choose(B);
    let lost = Failure { detail: "x".repeat(500), ..failure(Code::Device, Remedy::UseCpu) };
    page.hear(Backend::Gpu, Event::Lost { failure: lost });
    assert_eq!(page.effects[0], Effect::End(Backend::Gpu));
    let orders = page.orders();
    assert_eq!((orders.len(), orders[0].0), (1, Backend::Cpu));
    assert_eq!(orders[0].1.images[0].class.as_deref(), Some(B));
    assert!(why(&page).chars().count() < 200, "in a few words");
    page.finish(Backend::Cpu);
    assert_eq!(page.state.word(), "done");
    assert_eq!(page.state.notice, Some(page.state.words.engine_handed()));
}

#[test]
fn images_that_cannot_be_read_back_from_the_gpu_are_made_on_the_cpu() {
    let mut page = on_gpu();
    page.choose(B);
    let id = Some(page.current());
    page.hear(Backend::Gpu, Event::Failed { id, failure: failure(Code::ReadBack, Remedy::Retry) });
    assert_eq!(page.effects[0], Effect::End(Backend::Gpu));
    assert_eq!(page.orders()[0].0, Backend::Cpu);
}

#[test]
fn a_gpu_that_is_lost_while_idle_leaves_the_picture_alone() {
    let mut page = on_gpu();
    page.hear(Backend::Gpu, Event::Lost { failure: failure(Code::Device, Remedy::UseCpu) });
    assert_eq!((page.state.word(), page.state.active), ("done", Backend::Cpu));
    assert_eq!(page.orders(), []);
}

#[test]
fn a_gpu_that_is_lost_just_before_it_takes_over_does_not() {
    let (mut page, id) = on_trial();
    page.choose(B);
    page.hear_images(Backend::Cpu, trial_done(id), &[0.1; 4]);
    page.hear_images(Backend::Gpu, trial_done(id), &[0.1; 4]);
    page.hear(Backend::Gpu, Event::Lost { failure: failure(Code::Device, Remedy::UseCpu) });
    page.finish(Backend::Cpu);
    assert_eq!(page.state.active, Backend::Cpu);
    assert!(matches!(page.state.gpu, Gpu::No(_)));
}

#[test]
fn a_gpu_that_was_asked_for_starts_first_and_its_second_loss_is_a_question() {
    let mut page = Page::start(Wish::Gpu, "");
    assert_eq!(page.effects, [Effect::AskPersistent, Effect::FindAdapter]);
    page.tell(Message::Adapter(Ok(Adapter { name: "SwiftShader".into(), emulated: true })));
    assert_eq!(page.effects, [Effect::Spawn(Program::Gpu)], "whatever it is");
    page.ready(Backend::Gpu);
    page.hear(Backend::Gpu, Event::Index(letters()));
    assert_eq!(page.orders()[0].0, Backend::Gpu);
    page.hear(Backend::Gpu, Event::Lost { failure: failure(Code::Device, Remedy::UseCpu) });
    assert_eq!(page.effects, [Effect::End(Backend::Gpu), Effect::Spawn(Program::Gpu)], "once more");
    page.ready(Backend::Gpu);
    page.hear(Backend::Gpu, Event::Index(letters()));
    assert_eq!(page.orders()[0].0, Backend::Gpu);
    page.hear(Backend::Gpu, Event::Lost { failure: failure(Code::Panic, Remedy::Retry) });
    let shown = page.state.failure().unwrap();
    assert_eq!((shown.code.clone(), shown.remedy), (Code::Panic, Remedy::UseCpu));
    assert_eq!(shown.sentence, page.state.words.gpu_twice());
    page.tell(Message::Remedy);
    assert_eq!(page.effects, [Effect::Spawn(Program::CpuRelaxed)]);
    page.ready(Backend::Cpu);
    page.hear(Backend::Cpu, Event::Index(letters()));
    assert_eq!(page.orders()[0].0, Backend::Cpu, "the same on the other engine");
    page.finish(Backend::Cpu);
    assert_eq!(page.acts(), [], "and the GPU is left alone");
    assert!(crate::page::words::backend(&page.state).starts_with("Computing on the CPU"));
}

#[test]
fn a_gpu_that_was_asked_for_and_is_not_there_is_named() {
    let mut page = Page::start(Wish::Gpu, "");
    page.tell(Message::Adapter(Err(NoGpu::NoWebGpu)));
    assert_eq!(page.code(), Code::Device);
    assert_eq!(page.state.failure().unwrap().sentence, "The GPU cannot be used: this browser has no WebGPU.");
    page.tell(Message::Remedy);
    assert_eq!(spawned(&page.effects), [Program::CpuRelaxed]);
}

#[test]
fn a_gpu_engine_that_was_asked_for_and_is_not_built_offers_the_cpu() {
    let mut page = Page::start(Wish::Gpu, "");
    page.tell(Message::Adapter(Ok(Adapter { name: "a card".into(), emulated: false })));
    page.tell(Message::NotLoaded(Program::Gpu, String::new()));
    page.tell(Message::Examined(Program::Gpu, Absence::Missing, String::new()));
    let shown = page.state.failure().unwrap();
    assert!(shown.sentence.contains("still being built") && shown.remedy == Remedy::UseCpu, "{shown:?}");
    page.tell(Message::Remedy);
    assert_eq!(spawned(&page.effects), [Program::CpuRelaxed]);
}

#[test]
fn a_cpu_engine_that_breaks_down_during_the_trial_ends_it() {
    let (mut page, _) = on_trial();
    page.hear(Backend::Cpu, Event::Lost { failure: failure(Code::Engine, Remedy::Retry) });
    assert!(matches!(page.state.gpu, Gpu::No(_)));
    assert_eq!(page.code(), Code::Engine);
}

#[test]
fn a_cpu_engine_that_breaks_down_behind_the_gpu_is_not_missed() {
    let mut page = on_gpu();
    page.hear(Backend::Cpu, Event::Lost { failure: failure(Code::Engine, Remedy::Retry) });
    assert_eq!((page.state.word(), page.state.active), ("done", Backend::Gpu));
    // When the GPU goes as well, it starts again.
    page.choose(B);
    page.hear(Backend::Gpu, Event::Lost { failure: failure(Code::Device, Remedy::UseCpu) });
    assert_eq!(spawned(&page.effects), [Program::CpuRelaxed]);
    page.ready(Backend::Cpu);
    page.hear(Backend::Cpu, Event::Index(letters()));
    assert_eq!(page.order().images[0].class.as_deref(), Some(B));
}

#[test]
fn an_engine_that_breaks_down_at_work_is_started_again_once_and_makes_the_same_images() {
    let mut page = Page::done(Wish::Cpu);
    page.tell(Message::Typed(crate::page::state::Field::Seed, "11".into()));
    page.choose(B);
    let order = page.order();
    let lost = || Event::Lost { failure: failure(Code::Engine, Remedy::Retry) };
    page.hear(Backend::Cpu, lost());
    assert_eq!(page.effects, [Effect::End(Backend::Cpu), Effect::Spawn(Program::CpuRelaxed)]);
    assert_eq!(words::status(&page.state), page.state.words.status_again());
    page.ready(Backend::Cpu);
    page.hear(Backend::Cpu, Event::Index(letters()));
    assert_eq!((page.order().images, page.order().steps), (order.images, order.steps));
    page.finish(Backend::Cpu);
    assert_eq!(page.state.word(), "done");
    assert_eq!(page.state.notice, Some(page.state.words.engine_again()));

    // One that breaks down twice is not started a third time, until the visitor says so.
    page.choose(A);
    page.hear(Backend::Cpu, lost());
    page.ready(Backend::Cpu);
    page.hear(Backend::Cpu, Event::Index(letters()));
    let id = Some(page.current());
    page.hear(Backend::Cpu, Event::Failed { id, failure: failure(Code::Memory, Remedy::Retry) });
    assert_eq!(page.effects, [Effect::End(Backend::Cpu)]);
    assert_eq!(page.state.failure().unwrap().sentence, page.state.words.engine_twice());
    page.tell(Message::Remedy);
    assert_eq!(spawned(&page.effects), [Program::CpuRelaxed]);
    page.ready(Backend::Cpu);
    page.hear(Backend::Cpu, Event::Index(letters()));
    assert_eq!(page.order().images[0].class.as_deref(), Some(A));
}

#[test]
fn the_memory_is_counted_for_every_worker_and_goes_with_the_engine() {
    let mut page = on_gpu();
    page.hear(Backend::Cpu, Event::Memory { bytes: 30_000_000, workers: 2 });
    page.hear(Backend::Gpu, Event::Memory { bytes: 20_000_000, workers: 1 });
    let room = crate::page::state::Room { page: 3_000_000, scripts: Some(2_000_000), ..Default::default() };
    page.tell(Message::Room(room));
    let said = crate::page::phrases::memory(&page.state);
    assert!(said.starts_with("Memory in use: 55.00 MB."), "{said}");
    assert!(said.contains("50.00 MB (workers: 3)") && said.contains("GPU is not counted"), "{said}");
    page.hear(Backend::Gpu, Event::Lost { failure: failure(Code::Device, Remedy::UseCpu) });
    let said = crate::page::phrases::memory(&page.state);
    assert!(said.contains("30.00 MB (workers: 2)") && !said.contains("GPU"), "{said}");
}

#[test]
fn a_class_is_removed_from_both_engines() {
    let mut page = on_gpu();
    let drop = |to| Effect::Post(to, Request::Drop { class: A.into() });
    assert_eq!(page.tell(Message::Remove(A.into())), [drop(Backend::Cpu), drop(Backend::Gpu)]);
    let mut page = Page::done(Wish::Cpu);
    assert_eq!(page.tell(Message::Remove(A.into())), [drop(Backend::Cpu)]);
}
