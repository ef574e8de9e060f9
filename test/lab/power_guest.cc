// What power_test.cc has the virtual machine do, on its disk /dev/vda:
//   write    start xpu-apiserver there and write without end, a line "acked NAME VERSION" for each write that
//   is
//            answered
//   verify   "sound" if the database does not contradict itself; start xpu-apiserver on it; a line
//            "stored NAME VERSION" for each object that is there; "end"

#include <sys/mount.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cstring>
#include <filesystem>
#include <iostream>
#include <string>
#include <thread>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/synchronization/mutex.h"
#include "absl/time/clock.h"
#include "common/base/status_macros.h"
#include "common/http/test_http.h"
#include "common/sqlite/database.h"
#include "common/sys/process.h"

namespace {

constexpr char kDisk[] = "/run/disk";
constexpr char kDatabase[] = "/run/disk/store.db";
constexpr char kSocket[] = "unix:/run/api.sock";
constexpr char kConfigMaps[] = "/api/v1/namespaces/default/configmaps";
constexpr int kWriters = 4;

absl::StatusOr<xpu::Process> StartServer(const std::string& options) {
  const std::string program = std::filesystem::read_symlink("/proc/self/exe").parent_path() / "xpu-apiserver";
  XPU_ASSIGN_OR_RETURN(xpu::ReadinessSocket ready, xpu::ReadinessSocket::Make("/run/ready"));
  std::vector<std::string> argv = {program,   "--listen",    kSocket, "--database",
                                   kDatabase, "--log-level", "warn"};
  if (!options.empty()) argv.push_back(options);
  XPU_ASSIGN_OR_RETURN(xpu::Process process,
                       xpu::Process::Spawn({.argv = argv, .environment = {ready.environment()}}));
  XPU_RETURN_IF_ERROR(ready.Wait(process, absl::Now() + absl::Minutes(2)));
  return process;
}

void WriteWithoutEnd(int writer, absl::Mutex& output) {
  xpu::TestHttp http(kSocket);
  for (int i = 0;; ++i) {
    // Ten new ones, then changes of them, and so on.
    const std::string name = absl::StrCat("w", writer, "-", i / 20 * 10 + i % 10);
    const nlohmann::json object = {{"apiVersion", "v1"},
                                   {"kind", "ConfigMap"},
                                   {"metadata", {{"name", name}, {"namespace", "default"}}},
                                   {"data", {{"i", absl::StrCat(i)}, {"filling", std::string(600, 'x')}}}};
    const bool fresh = i % 20 < 10;
    const xpu::TestReply reply =
        fresh ? http.Post(kConfigMaps, object) : http.Put(absl::StrCat(kConfigMaps, "/", name), object);
    absl::MutexLock lock(&output);
    if (reply.code / 100 != 2) {
      std::cout << "refused " << reply.code << " " << reply.body << std::endl;
      return;
    }
    std::cout << "acked " << name << " " << reply.json["metadata"]["resourceVersion"].get<std::string>()
              << std::endl;
  }
}

absl::Status Write(const std::string& options) {
  XPU_ASSIGN_OR_RETURN(const xpu::Process server, StartServer(options));
  absl::Mutex output;
  std::vector<std::thread> writers;
  for (int w = 0; w < kWriters; ++w) writers.emplace_back([&output, w] { WriteWithoutEnd(w, output); });
  for (std::thread& writer : writers) writer.join();
  return absl::InternalError("nobody writes any more");
}

absl::Status Verify() {
  {
    // Of a copy, as opening it may write.
    for (const std::string suffix : {"", "-wal"}) {
      std::error_code absent;
      std::filesystem::copy_file(kDatabase + suffix, "/run/copy.db" + suffix, absent);
    }
    XPU_ASSIGN_OR_RETURN(const std::unique_ptr<xpu::Database> database,
                         // As many migrations as any file can have.
                         xpu::Database::Open("/run/copy.db", std::vector<std::string>(100, "SELECT 1")));
    XPU_RETURN_IF_ERROR(database->CheckIntegrity());
  }
  std::cout << "sound" << std::endl;
  XPU_ASSIGN_OR_RETURN(xpu::Process server, StartServer(""));
  xpu::TestHttp http(kSocket);
  const xpu::TestReply list = http.Get(kConfigMaps);
  if (list.code != 200) return absl::InternalError(list.body);
  for (const nlohmann::json& object : list.json["items"]) {
    std::cout << "stored " << object["metadata"]["name"].get<std::string>() << " "
              << object["metadata"]["resourceVersion"].get<std::string>() << "\n";
  }
  std::cout << "end" << std::endl;
  return server.Stop(absl::Seconds(30)).status();
}

absl::Status Run(const std::string& what, const std::string& options) {
  mkdir(kDisk, 0700);
  if (mount("/dev/vda", kDisk, "ext4", 0, nullptr) != 0) {
    return absl::InternalError(absl::StrCat("cannot mount /dev/vda: ", std::strerror(errno)));
  }
  const absl::Status done = what == "write" ? Write(options) : Verify();
  umount(kDisk);
  return done;
}

}  // namespace

int main(int argc, char** argv) {
  const absl::Status done = Run(argc > 1 ? argv[1] : "", argc > 2 ? argv[2] : "");
  if (!done.ok()) std::cout << "failed " << done.message() << std::endl;
  return done.ok() ? 0 : 1;
}
