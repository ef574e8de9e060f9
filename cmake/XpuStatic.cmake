# What is packaged carries its libraries, so that it runs on any DPU's distribution and a process holds in memory only
# what it calls: with XPU_STATIC_LIBRARIES, of every imported library that Debian ships an archive of, the archive is
# linked. Included once all of them are found.
#
# libcurl is one of our own making (build-curl.sh), for Debian's needs twenty libraries more. Of spdlog and fmt there
# are no archives, but all of them is in their headers.
option(XPU_STATIC_LIBRARIES "Link the libraries of others statically where there is an archive" OFF)
if(NOT XPU_STATIC_LIBRARIES)
  return()
endif()
if(NOT XPU_LLD)
  message(FATAL_ERROR "Archives are linked in any order, which only lld does: install lld ('./dev deps' does)")
endif()

# Named without a path where they are used.
find_library(XPU_RE2_STATIC libre2.a REQUIRED)

# The archive beside a shared library, or else the library itself.
function(xpu_archive_of library result)
  set(${result} ${library} PARENT_SCOPE)
  if(library STREQUAL "-lre2")
    set(${result} ${XPU_RE2_STATIC} PARENT_SCOPE)
  endif()
  if(library MATCHES "^(/.*)\\.so[.0-9]*$")
    set(archive "${CMAKE_MATCH_1}.a")
    if(EXISTS "${archive}")
      set(${result} "${archive}" PARENT_SCOPE)
    endif()
  endif()
endfunction()

get_property(imported DIRECTORY PROPERTY IMPORTED_TARGETS)
foreach(target IN LISTS imported)
  get_target_property(libraries ${target} INTERFACE_LINK_LIBRARIES)
  if(libraries)
    set(archives "")
    foreach(library IN LISTS libraries)
      xpu_archive_of("${library}" archive)
      list(APPEND archives "${archive}")
    endforeach()
    set_target_properties(${target} PROPERTIES INTERFACE_LINK_LIBRARIES "${archives}")
  endif()
  get_target_property(type ${target} TYPE)
  if(NOT type MATCHES "SHARED|UNKNOWN")
    continue()
  endif()
  get_target_property(configurations ${target} IMPORTED_CONFIGURATIONS)
  if(NOT configurations)
    set(configurations "")
  endif()
  foreach(suffix "" ${configurations})
    if(suffix)
      string(PREPEND suffix "_")
    endif()
    get_target_property(location ${target} IMPORTED_LOCATION${suffix})
    if(location)
      xpu_archive_of("${location}" archive)
      set_target_properties(${target} PROPERTIES IMPORTED_LOCATION${suffix} "${archive}")
    endif()
  endforeach()
endforeach()

add_link_options(-Wl,--gc-sections -static-libstdc++ -static-libgcc)
