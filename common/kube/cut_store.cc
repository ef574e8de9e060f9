#include "common/kube/cut_store.h"

#include <utility>

#include "common/base/status_macros.h"

namespace xpu {
namespace {

absl::Status CutOff() { return absl::UnavailableError("cut off"); }

}  // namespace

class CutStore::CutWatcher : public ResourceStore::Watcher {
 public:
  CutWatcher(CutStore& store, std::shared_ptr<Line> line) : store_(store), line_(std::move(line)) {}
  ~CutWatcher() override {
    inner_.reset();
    // As a real watch: nothing is called once it is gone, and not that it ended either.
    absl::MutexLock lock(&line_->mu);
    line_->over = true;
    absl::MutexLock all(&store_.mu_);
    store_.lines_.erase(line_);
  }
  void Own(std::unique_ptr<Watcher> inner) { inner_ = std::move(inner); }

 private:
  CutStore& store_;
  const std::shared_ptr<Line> line_;
  std::unique_ptr<Watcher> inner_;
};

void CutStore::Line::End(const absl::Status& status) {
  absl::MutexLock lock(&mu);
  if (std::exchange(over, true)) return;
  callbacks.ended(status);
}

void CutStore::Cut() {
  std::set<std::shared_ptr<Line>> lines;
  {
    absl::MutexLock lock(&mu_);
    cut_ = true;
    lines = lines_;
  }
  for (const std::shared_ptr<Line>& line : lines) line->End(CutOff());
}

void CutStore::Mend() {
  absl::MutexLock lock(&mu_);
  cut_ = false;
}

void CutStore::Disturb(std::function<Disturbance()> next) {
  absl::MutexLock lock(&mu_);
  next_ = std::move(next);
}

void CutStore::OnWrite(std::function<void()> written) {
  absl::MutexLock lock(&mu_);
  written_ = std::move(written);
}

template <class F>
auto CutStore::Pass(bool is_write, const F& call) -> decltype(call()) {
  Disturbance disturbance = Disturbance::kNone;
  std::function<void()> written;
  {
    absl::MutexLock lock(&mu_);
    if (cut_) return CutOff();
    if (next_) disturbance = next_();
    if (is_write) written = written_;
  }
  if (disturbance == Disturbance::kLost) return CutOff();
  auto answer = call();
  if (written) written();
  if (disturbance == Disturbance::kAnswerLost) return CutOff();
  return answer;
}

absl::StatusOr<Resource> CutStore::Create(const ResourceKind& kind, const Resource& object) {
  return Pass(true, [&] { return store_.Create(kind, object); });
}

absl::StatusOr<Resource> CutStore::Get(const ResourceKind& kind, const ResourceName& name) {
  return Pass(false, [&] { return store_.Get(kind, name); });
}

absl::StatusOr<ResourceList> CutStore::List(const ResourceKind& kind, const std::string& ns,
                                            const ListOptions& options) {
  return Pass(false, [&] { return store_.List(kind, ns, options); });
}

absl::StatusOr<Resource> CutStore::Update(const ResourceKind& kind, const Resource& object) {
  return Pass(true, [&] { return store_.Update(kind, object); });
}

absl::StatusOr<Resource> CutStore::UpdateStatus(const ResourceKind& kind, const Resource& object) {
  return Pass(true, [&] { return store_.UpdateStatus(kind, object); });
}

absl::StatusOr<Resource> CutStore::Patch(const ResourceKind& kind, const ResourceName& name, PatchType type,
                                         const nlohmann::json& patch) {
  return Pass(true, [&] { return store_.Patch(kind, name, type, patch); });
}

absl::StatusOr<Resource> CutStore::Apply(const ResourceKind& kind, const Resource& object,
                                         const ApplyOptions& options) {
  return Pass(true, [&] { return store_.Apply(kind, object, options); });
}

absl::Status CutStore::Delete(const ResourceKind& kind, const ResourceName& name,
                              const DeleteOptions& options) {
  return Pass(true, [&] { return store_.Delete(kind, name, options); });
}

absl::StatusOr<std::unique_ptr<ResourceStore::Watcher>> CutStore::Watch(const ResourceKind& kind,
                                                                        const std::string& ns,
                                                                        const std::string& version,
                                                                        const ListOptions& options,
                                                                        WatchCallbacks callbacks) {
  auto line = std::make_shared<Line>();
  {
    absl::MutexLock lock(&line->mu);
    line->callbacks = std::move(callbacks);
  }
  auto watcher = std::make_unique<CutWatcher>(*this, line);
  WatchCallbacks passed = {.event =
                               [line](const WatchEvent& event) {
                                 absl::MutexLock lock(&line->mu);
                                 if (!line->over) line->callbacks.event(event);
                               },
                           .ended = [line](const absl::Status& status) { line->End(status); }};
  {
    absl::MutexLock lock(&mu_);
    if (cut_) return CutOff();
    lines_.insert(line);
  }
  XPU_ASSIGN_OR_RETURN(std::unique_ptr<Watcher> inner,
                       store_.Watch(kind, ns, version, options, std::move(passed)));
  watcher->Own(std::move(inner));
  return watcher;
}

}  // namespace xpu
