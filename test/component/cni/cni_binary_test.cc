// What the CNI plugin is made of.

#include <elf.h>
#include <gtest/gtest.h>

#include <cstring>
#include <fstream>
#include <sstream>
#include <string>

namespace xpu {
namespace {

std::string Binary() {
  std::ifstream file(XPU_CNI, std::ios::binary);
  std::ostringstream content;
  content << file.rdbuf();
  return content.str();
}

TEST(CniBinaryTest, RunsOnAnyDistribution) {
  const std::string binary = Binary();
  ASSERT_GT(binary.size(), sizeof(Elf64_Ehdr));
  Elf64_Ehdr header;
  memcpy(&header, binary.data(), sizeof header);
  for (int i = 0; i < header.e_phnum; ++i) {
    Elf64_Phdr segment;
    memcpy(&segment, binary.data() + header.e_phoff + i * sizeof segment, sizeof segment);
    EXPECT_NE(segment.p_type, PT_INTERP) << "the program asks for a dynamic linker";
  }
}

TEST(CniBinaryTest, HasNoStandardStreams) {
  // Their set-up is left out (cni/no_iostreams.cc).
  const std::string binary = Binary();
  for (const char* stream : {"_ZSt3cin", "_ZSt4cout", "_ZSt4cerr", "_ZSt4clog"}) {
    EXPECT_EQ(binary.find(stream), std::string::npos) << stream;
  }
}

}  // namespace
}  // namespace xpu
