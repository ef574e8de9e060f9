#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <set>
#include <string>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "absl/synchronization/mutex.h"
#include "common/base/event_loop.h"
#include "common/base/folder_watch.h"
#include "common/tls/tls_pem.h"

namespace xpu {

// PEM files of one side of mTLS: both sides show a certificate that the other's `ca` has signed.
struct TlsFiles {
  std::string certificate;
  std::string key;
  std::string ca;
  bool empty() const { return certificate.empty() && key.empty() && ca.empty(); }
  friend bool operator==(const TlsFiles&, const TlsFiles&) = default;
};

// InvalidArgument unless each is PEM, the key belongs to the certificate, and the certificate holds at `now`
// (in seconds since 1970).
absl::Status CheckPem(const TlsPem& pem, int64_t now);

// That `address` is not on this machine alone, and there are no credentials for it: nothing is ever served or
// asked in the clear beyond this machine.
absl::Status NeedsTls(absl::string_view address);

// The credentials of one side, as its files say at the moment. A change of the files counts for connections
// that are made after it; those that are there stay. Files that do not belong together, as happens between
// the writing of one and the next, leave what was before.
//
// Safe from any thread, but for Follow().
class TlsCredentials {
 public:
  // InvalidArgument, with the path, for a file that cannot be read, and as CheckPem().
  static absl::StatusOr<std::shared_ptr<TlsCredentials>> Load(const TlsFiles& files);
  // The same for what is served or asked at `address`; InvalidArgument, as NeedsTls(), if files are missing.
  static absl::StatusOr<std::shared_ptr<TlsCredentials>> LoadFor(absl::string_view address,
                                                                 const TlsFiles& files);

  // From now on takes up what changes in the folders of the files, whether they are written over, replaced,
  // or links that are turned elsewhere. On the loop, or before it runs; the loop must not run any more when
  // this object goes.
  absl::Status Follow(EventLoop& loop);
  // Reads the files now. Errors as Load(), and then nothing has changed.
  absl::Status Reload();

  std::shared_ptr<const TlsPem> pem() const;
  // While it lives, `changed` is called after each change, one call at a time, by who called Reload() (the
  // loop of Follow()).
  class Subscription {
   public:
    ~Subscription();
    Subscription(const Subscription&) = delete;
    Subscription& operator=(const Subscription&) = delete;

   private:
    friend class TlsCredentials;
    Subscription(std::shared_ptr<TlsCredentials> credentials, uint64_t id)
        : credentials_(std::move(credentials)), id_(id) {}
    const std::shared_ptr<TlsCredentials> credentials_;
    const uint64_t id_;
  };
  // `changed` must not subscribe. Going away waits for a call that runs, so it must not happen in one.
  [[nodiscard]] static std::unique_ptr<Subscription> Subscribe(
      const std::shared_ptr<TlsCredentials>& credentials, std::function<void()> changed);

 private:
  explicit TlsCredentials(TlsFiles files) : files_(std::move(files)) {}
  void FilesChanged();

  const TlsFiles files_;
  // The loop's.
  std::vector<std::unique_ptr<FolderWatch>> watches_;
  absl::Status problem_;

  mutable absl::Mutex mu_;
  std::shared_ptr<const TlsPem> pem_ ABSL_GUARDED_BY(mu_);
  // Held while subscribers are called.
  absl::Mutex subscribers_mu_;
  std::map<uint64_t, std::function<void()>> subscribers_ ABSL_GUARDED_BY(subscribers_mu_);
  uint64_t next_subscriber_ ABSL_GUARDED_BY(subscribers_mu_) = 1;
};

}  // namespace xpu
