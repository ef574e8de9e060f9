#pragma once

#include <memory>
#include <optional>
#include <string>
#include <thread>
#include <vector>

#include "absl/status/statusor.h"
#include "common/base/event_loop.h"
#include "common/http/http_server.h"
#include "common/sqlite/database_copy.h"
#include "control-plane/apiserver/store/object_store.h"
#include "nlohmann/json.hpp"

namespace xpu::apiserver {

// Backup and restore while the server runs: POST of an object {"spec": {"path":
// "/..."}} to /apis/store.xpu.opiproject.org/v1/backups or .../restores, which
// is answered when it is done and not kept. The path is on the server's
// machine, so only clients on that machine may ask; roles name the resources as
// any others.
//
// A backup is made in slices between which the loop serves everybody else; a thread waits for the disk at its
// end. One at a time. On the loop's thread.
class StoreActions {
 public:
  static constexpr absl::string_view kGroup = "store.xpu.opiproject.org";

  // Both must outlive it.
  StoreActions(EventLoop& loop, ObjectStore& store) : loop_(loop), store_(store) {}
  // Gives up a backup that runs.
  ~StoreActions();

  // "backups" or "restores"; nothing for other URLs.
  static std::optional<std::string> Find(const std::vector<std::string>& path);

  // Answered with the object and what was done in `status`. What was asked for before must have been
  // committed.
  absl::StatusOr<HttpReply> Do(const std::string& resource, const HttpPeer& peer, nlohmann::json body);

 private:
  void Step();
  void Answer(const absl::Status& done);

  EventLoop& loop_;
  ObjectStore& store_;
  std::shared_ptr<bool> alive_ = std::make_shared<bool>();
  // Of the backup that runs.
  std::unique_ptr<DatabaseCopy> copy_;
  std::unique_ptr<HttpPending> pending_;
  nlohmann::json body_;
  EventLoop::Handle next_;
  std::thread publisher_;
};

}  // namespace xpu::apiserver
