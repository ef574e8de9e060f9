#pragma once

// Places for journals in tests.

#include <stdlib.h>
#include <sys/mount.h>

#include <filesystem>
#include <fstream>
#include <string>

namespace xpu {

// Goes with all that is in it.
class TempFolder {
 public:
  TempFolder() {
    std::string pattern = (std::filesystem::temp_directory_path() / "xpu-journal-XXXXXX").string();
    path_ = mkdtemp(pattern.data());
  }
  ~TempFolder() { std::filesystem::remove_all(path_); }
  const std::string& Path() const { return path_; }
  std::string File() const { return path_ + "/journal.db"; }
  // Files whose names begin so.
  int Count(const std::string& prefix) const {
    int count = 0;
    for (const auto& entry : std::filesystem::directory_iterator(path_)) {
      if (entry.path().filename().string().rfind(prefix, 0) == 0) ++count;
    }
    return count;
  }

 private:
  std::string path_;
};

// A file system with little space.
class SmallDisk {
 public:
  explicit SmallDisk(const TempFolder& folder, const char* options) : path_(folder.Path() + "/disk") {
    std::filesystem::create_directory(path_);
    mounted_ = mount("xpu-test", path_.c_str(), "tmpfs", 0, options) == 0;
  }
  ~SmallDisk() {
    if (mounted_) umount2(path_.c_str(), MNT_DETACH);
  }
  bool mounted() const { return mounted_; }
  std::string File() const { return path_ + "/journal.db"; }
  // Leaves no space at all.
  void Fill() {
    std::ofstream out(path_ + "/ballast", std::ios::binary | std::ios::app);
    const std::string page(4096, 'b');
    while (out.write(page.data(), static_cast<std::streamsize>(page.size())).flush()) {
    }
  }
  void MakeRoom() { std::filesystem::remove(path_ + "/ballast"); }

 private:
  std::string path_;
  bool mounted_;
};

}  // namespace xpu
