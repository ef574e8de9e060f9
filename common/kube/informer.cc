#include "common/kube/informer.h"

#include <algorithm>
#include <chrono>
#include <map>
#include <set>
#include <thread>
#include <utility>

#include "absl/base/thread_annotations.h"
#include "absl/synchronization/mutex.h"
#include "common/kube/kube_errors.h"
#include "common/kube/metadata.h"
#include "spdlog/spdlog.h"

namespace xpu {

namespace {

// Events that wait for the loop.
constexpr int kMaxPosted = 256;

// An object as the copy keeps it: CBOR (RFC 8949), which is a fraction of what a tree of values takes, and to
// read it costs what it costs to copy one.
std::string Pack(const Resource& object) {
  std::string packed;
  Resource::to_cbor(object, packed);
  packed.shrink_to_fit();
  return packed;
}
Resource Unpack(const std::string& packed) { return Resource::from_cbor(packed); }

}  // namespace

// Lives until the last callback that was posted to the loop has run; `closed_` tells those that come late.
class Informer::Core : public std::enable_shared_from_this<Informer::Core> {
 public:
  Core(EventLoop& loop, ResourceStore& store, Options options, Handler handler)
      : loop_(loop),
        store_(store),
        options_(std::move(options)),
        handler_(std::move(handler)),
        backoff_(options_.backoff, options_.seed) {}

  void Start() {
    worker_ = std::thread([this] { Work(); });
    Order({Step::kList, ""});
  }

  void Close() {
    closed_ = true;
    retry_.Cancel();
    {
      absl::MutexLock lock(&order_mu_);
      stop_ = true;
    }
    {
      absl::MutexLock lock(&posted_mu_);
      let_go_ = true;
    }
    worker_.join();
    watcher_.reset();
  }

  std::optional<Resource> Get(const ResourceName& name) const {
    absl::MutexLock lock(&copy_mu_);
    const auto it = copy_.find(name);
    return it == copy_.end() ? std::nullopt : std::make_optional(Unpack(it->second));
  }
  std::vector<ResourceName> Names() const {
    absl::MutexLock lock(&copy_mu_);
    std::vector<ResourceName> names;
    for (const auto& [name, packed] : copy_) names.push_back(name);
    return names;
  }
  std::vector<Resource> All() const {
    absl::MutexLock lock(&copy_mu_);
    std::vector<Resource> all;
    for (const auto& [name, packed] : copy_) all.push_back(Unpack(packed));
    return all;
  }
  std::vector<Resource> Having(const std::string& value) const {
    absl::MutexLock lock(&copy_mu_);
    std::vector<Resource> found;
    const auto names = index_.find(value);
    if (names == index_.end()) return found;
    for (const ResourceName& name : names->second) found.push_back(Unpack(copy_.at(name)));
    return found;
  }
  bool synced() const {
    absl::MutexLock lock(&copy_mu_);
    return synced_;
  }

 private:
  enum class Step { kNone, kList, kWatch };
  struct NextStep {
    Step step = Step::kNone;
    std::string version;
  };

  // The worker's thread: one step at a time, so that there is never more than one watch.
  void Order(NextStep next) {
    absl::MutexLock lock(&order_mu_);
    order_ = std::move(next);
  }
  void Work() {
    const auto ready = [this]() ABSL_SHARED_LOCKS_REQUIRED(order_mu_) {
      return stop_ || order_.step != Step::kNone;
    };
    while (true) {
      NextStep next;
      {
        absl::MutexLock lock(&order_mu_);
        order_mu_.Await(absl::Condition(&ready));
        if (stop_) return;
        next = std::exchange(order_, NextStep());
      }
      if (next.step == Step::kList) {
        List();
      } else {
        Watch(next.version);
      }
    }
  }
  void List() {
    watcher_.reset();
    absl::StatusOr<ResourceList> list = store_.List(options_.kind, options_.ns, options_.selection);
    OnLoop([this, list = std::move(list)]() mutable {
      if (!list.ok()) return TryLater(list.status(), {Step::kList, ""});
      Replace(*std::move(list));
      watch_began_ = std::chrono::steady_clock::now();
      Order({Step::kWatch, version_});
    });
  }
  void Watch(const std::string& version) {
    watcher_.reset();
    // Callbacks of an earlier watch cannot come after this.
    auto watcher =
        store_.Watch(options_.kind, options_.ns, version, options_.selection,
                     {[this](const WatchEvent& event) { Post(event); },
                      [this](const absl::Status& status) { OnLoop([this, status] { Ended(status); }); }});
    if (watcher.ok()) {
      watcher_ = *std::move(watcher);
    } else {
      OnLoop([this, status = watcher.status()] { Ended(status); });
    }
  }

  // The store's thread. Waits while the loop is far behind, so that the store holds back what comes.
  void Post(const WatchEvent& event) {
    const auto room = [this]()
                          ABSL_SHARED_LOCKS_REQUIRED(posted_mu_) { return posted_ < kMaxPosted || let_go_; };
    {
      absl::MutexLock lock(&posted_mu_);
      posted_mu_.Await(absl::Condition(&room));
      ++posted_;
    }
    OnLoop([this, event]() mutable {
      {
        absl::MutexLock lock(&posted_mu_);
        --posted_;
      }
      Apply(std::move(event));
    });
  }

  // The loop's thread.
  template <class F>
  void OnLoop(F work) {
    loop_.Post([self = shared_from_this(), work = std::make_shared<F>(std::move(work))] {
      if (!self->closed_) (*work)();
    });
  }
  void Ended(const absl::Status& status) {
    // Servers close a quiet watch now and then; only one that ends soon after it began is a sign of trouble.
    if (std::chrono::steady_clock::now() - watch_began_ > absl::ToChronoNanoseconds(options_.backoff.max)) {
      backoff_.Reset();
    }
    if (absl::IsOutOfRange(status)) {
      spdlog::info("{}: the store has forgotten version {}; listing again", options_.kind.plural, version_);
      return Order({Step::kList, ""});
    }
    TryLater(status, {Step::kWatch, version_});
  }
  void TryLater(const absl::Status& status, NextStep next) {
    const absl::Duration delay = std::max(backoff_.Next(), RetryAfter(status).value_or(absl::ZeroDuration()));
    if (!status.ok()) {
      spdlog::warn("{}: {}; trying again in {}", options_.kind.plural, std::string(status.message()),
                   absl::FormatDuration(delay));
    }
    retry_ = loop_.After(delay, [this, next] {
      watch_began_ = std::chrono::steady_clock::now();
      Order(next);
    });
  }
  void Replace(ResourceList list) {
    version_ = list.resource_version;
    backoff_.Reset();
    std::set<ResourceName> gone;
    for (ResourceName& name : Names()) gone.insert(std::move(name));
    for (Resource& object : list.items) {
      gone.erase(NameOf(object));
      Put(std::move(object));
      object = nullptr;
    }
    for (const ResourceName& name : gone) {
      if (const std::optional<Resource> last = Get(name)) Remove(name, *last);
    }
    bool first = false;
    {
      absl::MutexLock lock(&copy_mu_);
      first = !std::exchange(synced_, true);
    }
    const std::function<void()>& complete = first ? handler_.synced : handler_.relisted;
    if (!closed_ && complete) complete();
  }
  void Apply(WatchEvent event) {
    backoff_.Reset();
    if (const std::string version = VersionOf(event.object); !version.empty()) version_ = version;
    switch (event.type) {
      case WatchEvent::Type::kAdded:
      case WatchEvent::Type::kModified:
        return Put(std::move(event.object));
      case WatchEvent::Type::kDeleted:
        return Remove(NameOf(event.object), event.object);
      case WatchEvent::Type::kBookmark:
        return;
    }
  }
  void Put(Resource object) {
    if (closed_) return;
    // Who has written which field is for servers, and often more than all the rest.
    if (const auto metadata = object.find("metadata"); metadata != object.end() && metadata->is_object()) {
      metadata->erase("managedFields");
    }
    const ResourceName name = NameOf(object);
    std::string packed = Pack(object);
    std::string packed_before;
    {
      absl::MutexLock lock(&copy_mu_);
      std::string& place = copy_[name];
      if (place == packed) return;
      if (!place.empty()) Unindex(name, place);
      packed_before = std::exchange(place, std::move(packed));
      if (options_.index) index_[options_.index(object)].insert(name);
    }
    if (packed_before.empty()) {
      if (handler_.added) handler_.added(name, object);
      return;
    }
    const Resource before = Unpack(packed_before);
    if (UidOf(before) != UidOf(object)) {
      // Another object took the name while nobody was looking.
      if (handler_.deleted) handler_.deleted(name, before);
      if (handler_.added) handler_.added(name, object);
    } else if (handler_.updated) {
      handler_.updated(name, before, object);
    }
  }
  void Remove(const ResourceName& name, const Resource& last) {
    if (closed_) return;
    {
      absl::MutexLock lock(&copy_mu_);
      const auto it = copy_.find(name);
      if (it == copy_.end()) return;
      Unindex(name, it->second);
      copy_.erase(it);
    }
    if (handler_.deleted) handler_.deleted(name, last);
  }

  void Unindex(const ResourceName& name, const std::string& packed) ABSL_EXCLUSIVE_LOCKS_REQUIRED(copy_mu_) {
    if (!options_.index) return;
    const auto names = index_.find(options_.index(Unpack(packed)));
    if (names == index_.end()) return;
    names->second.erase(name);
    if (names->second.empty()) index_.erase(names);
  }

  EventLoop& loop_;
  ResourceStore& store_;
  const Options options_;
  const Handler handler_;

  // The loop's thread only.
  Backoff backoff_;
  std::string version_;
  std::chrono::steady_clock::time_point watch_began_;
  EventLoop::Handle retry_;
  bool closed_ = false;

  mutable absl::Mutex copy_mu_;
  // Packed.
  std::map<ResourceName, std::string> copy_ ABSL_GUARDED_BY(copy_mu_);
  std::map<std::string, std::set<ResourceName>> index_ ABSL_GUARDED_BY(copy_mu_);
  bool synced_ ABSL_GUARDED_BY(copy_mu_) = false;

  absl::Mutex posted_mu_;
  int posted_ ABSL_GUARDED_BY(posted_mu_) = 0;
  // The loop takes no more; whoever waits for it goes on.
  bool let_go_ ABSL_GUARDED_BY(posted_mu_) = false;

  absl::Mutex order_mu_;
  NextStep order_ ABSL_GUARDED_BY(order_mu_);
  bool stop_ ABSL_GUARDED_BY(order_mu_) = false;
  // The worker's, and Close()'s once it has joined the worker.
  std::unique_ptr<ResourceStore::Watcher> watcher_;
  std::thread worker_;
};

Informer::Informer(EventLoop& loop, ResourceStore& store, Options options, Handler handler)
    : core_(std::make_shared<Core>(loop, store, std::move(options), std::move(handler))) {
  core_->Start();
}

Informer::~Informer() { core_->Close(); }

std::optional<Resource> Informer::Get(const ResourceName& name) const { return core_->Get(name); }
std::vector<ResourceName> Informer::Names() const { return core_->Names(); }
std::vector<Resource> Informer::All() const { return core_->All(); }
std::vector<Resource> Informer::Having(const std::string& value) const { return core_->Having(value); }
bool Informer::synced() const { return core_->synced(); }

}  // namespace xpu
